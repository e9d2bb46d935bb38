//! The headless server of Chitty-Chat.
