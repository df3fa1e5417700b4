"""What were the last values of each series?"""
