//! Programs that die, stall and come back, lines that break, disks that fill: whatever happens nothing is
//! lost, nothing is taken twice, and every job ends.

mod places;
