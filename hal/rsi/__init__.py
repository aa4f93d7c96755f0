"""KUKA Robot Sensor Interface: the robot arm as a UDP client that asks every cycle."""
