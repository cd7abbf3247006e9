"""All targets."""

from tests.fuzzing import adding, asking, command, files, judging, making, stored

TARGETS = [
    *asking.TARGETS,
    *adding.TARGETS,
    *making.TARGETS,
    *files.TARGETS,
    *judging.TARGETS,
    *stored.TARGETS,
    *command.TARGETS,
]
