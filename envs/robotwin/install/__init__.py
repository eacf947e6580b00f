"""What RoboTwin needs beside pip: its task code, drivers, and where they are kept."""
