//! One actor per worker that was connected lately.
