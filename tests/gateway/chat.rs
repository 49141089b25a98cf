//! What people write in a chat, as a phone sends it, and what comes back.
