-- Why a profile rests, and the task whose run has met the reason.
ALTER TABLE parked_profiles ADD COLUMN kind TEXT NOT NULL DEFAULT 'rate_limited';
ALTER TABLE parked_profiles ADD COLUMN task_id TEXT;
