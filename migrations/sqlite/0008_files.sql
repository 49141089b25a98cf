-- Files go out beside the texts of their threads, which do not wait for them.

CREATE INDEX deliveries_of_files ON deliveries (thread_id, id) WHERE state = 'queued' AND urgency = 4;
