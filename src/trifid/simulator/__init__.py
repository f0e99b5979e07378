"""The simulator: the whole engine in one process on virtual time, with everything around it going wrong.

One seed is one history.  What is real: memory, turns, outbox, orders, monitoring, the methods of the API
and the scheduler, each the very class that the daemon runs.  What is simulated: time, the database's file,
the driver processes behind their pipes, the hosts with their domains and disks, and the people who call.
"""
