"""All targets."""

from tests.fuzzing import adding, asking, command, files, making, stored

TARGETS = [
    *asking.TARGETS,
    *adding.TARGETS,
    *making.TARGETS,
    *files.TARGETS,
    *stored.TARGETS,
    *command.TARGETS,
]
