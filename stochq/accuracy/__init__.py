"""Which step, and how many trajectories, an answer of a stated accuracy takes."""
