"""medenv: medical consultations as reinforcement learning environments."""
