#!/usr/bin/env python3
"""The commands as a user types them: a tiny model is trained, converted, run and inspected; bad input gets one clear line.

    commands.py GREMIUM_PROGRAM [CLASS[.TEST]]...
"""
import unittest

from chat_commands import ChatCommands
from files_commands import FileCommands
from lab_commands import LabCommands
from mistakes_commands import Mistakes
from run_commands import RunCommands
from train_commands import TrainCommands

if __name__ == "__main__":
    unittest.main(verbosity=1)
