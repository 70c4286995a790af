"""How full the volumes are."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import psutil

# Images that are full by design.
READ_ONLY_IMAGES = frozenset({"squashfs", "iso9660", "udf", "erofs", "cramfs"})
# Not storage, or not this machine's: a dead file server must not stall the sample.
PSEUDO = frozenset(
    {
        "autofs",
        "binfmt_misc",
        "cgroup",
        "cgroup2",
        "devtmpfs",
        "fuse.gvfsd-fuse",
        "fuse.lxcfs",
        "fuse.portal",
        "fuse.snapfuse",
        "nsfs",
        "overlay",
        "proc",
        "ramfs",
        "sysfs",
        "tmpfs",
    }
)
NETWORKED = frozenset(
    {"9p", "afs", "ceph", "cifs", "fuse.sshfs", "glusterfs", "nfs", "nfs4", "smb3"}
)


class VolumeCollector:
    """Every physical volume once, at its shortest mount point, and the configured paths."""

    name = "volumes"
    period_seconds = 0.0

    def __init__(
        self,
        *,
        include: Sequence[str] = (),
        partitions: Callable[[], Iterable[Any]] = psutil.disk_partitions,
        usage: Callable[[str], Any] = psutil.disk_usage,
        is_dir: Callable[[str], bool] = os.path.isdir,
    ) -> None:
        self._include = tuple(include)
        self._partitions = partitions
        self._usage = usage
        self._is_dir = is_dir

    def collect(self) -> list[tuple[str, str, float]]:
        """Return utilization, usage and limit per mount point.

        Utilization is what `df` shows: of the space that programs may fill, without the part
        that the file system reserves for root.
        """
        found: list[tuple[str, str, float]] = []
        for point in self.mount_points():
            try:
                usage = self._usage(point)
            except OSError:
                ratio = used = total = float("nan")
            else:
                fillable = usage.used + usage.free
                ratio = usage.used / fillable if fillable else float("nan")
                used, total = float(usage.used), float(usage.total)
            found += [
                ("system.filesystem.utilization", point, ratio),
                ("system.filesystem.usage", point, used),
                ("system.filesystem.limit", point, total),
            ]
        return found

    def mount_points(self) -> list[str]:
        """Return what to measure, sorted; configured paths are in it whatever they are on."""
        by_device: dict[str, str] = {}
        for part in self._partitions():
            if not self._is_volume(part):
                continue
            known = by_device.get(part.device)
            if known is None or (len(part.mountpoint), part.mountpoint) < (
                len(known),
                known,
            ):
                by_device[part.device] = part.mountpoint
        points = set(by_device.values()) | set(self._include)
        if os.name == "posix":
            points.add("/")  # in a container the root is an overlay, and still what fills up
        return sorted(points)

    def _is_volume(self, part: Any) -> bool:
        kind = part.fstype.lower()
        if not kind or kind in READ_ONLY_IMAGES or kind in PSEUDO or kind in NETWORKED:
            return False
        options = part.opts.split(",")
        if "cdrom" in options or (part.device.startswith("/dev/loop") and "ro" in options):
            return False
        # A file bound into a container (/etc/hosts) is a mount point, but no volume.
        return self._is_dir(part.mountpoint)
