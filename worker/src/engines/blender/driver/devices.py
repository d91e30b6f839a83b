"""Chooses what Cycles computes on, reads it back, and never falls back in silence."""

import bpy

from common import Refused, quoted_list

# OptiX first: the same pixels' quality, faster where the card has ray-tracing cores.
KINDS = ["OPTIX", "CUDA"]


def has_denoiser():
    try:
        import _cycles
    except ImportError:
        return False
    return bool(getattr(_cycles, "with_openimagedenoise", False))


def choose(scene, gpu, warn):
    """Answers the device in words. `gpu` is a PCI id and nothing else may then be used; None is the CPU."""
    from settings import engine_of

    if engine_of(scene) != "cycles":
        # OpenGL takes a GPU of its own choice and does not tell us which.
        return "the machine's graphics"
    if gpu is None:
        return choose_cpu(scene, warn)
    return choose_gpu(scene, gpu)


def choose_cpu(scene, warn):
    if scene.cycles.device != "CPU":
        scene.cycles.device = "CPU"
        warn("cpu_fallback", "the scene asks for a GPU; this slot renders on the CPU")
    return "CPU, %d threads" % scene.render.threads


def cycles_preferences():
    addon = bpy.context.preferences.addons.get("cycles")
    if addon is None:
        raise Refused("engine_not_available", "this Blender comes without Cycles")
    return addon.preferences


def choose_gpu(scene, gpu):
    short = short_pci_id(gpu)
    preferences = cycles_preferences()
    seen = []
    for kind in KINDS:
        try:
            preferences.compute_device_type = kind
        except TypeError:
            continue
        refresh = getattr(preferences, "refresh_devices", None) or preferences.get_devices
        refresh()
        for device in preferences.devices:
            device.use = device.type == kind and short in device.id.lower()
            seen.append("%s (%s)" % (device.name, device.type))
        used = [device for device in preferences.devices if device.use]
        if len(used) == 1:
            scene.cycles.device = "GPU"
            return verified(scene, gpu)
    offers = quoted_list(sorted(set(seen))) or "no device"
    raise Refused(
        "engine_not_available", "Cycles does not offer the GPU %s of this slot; it offers %s" % (gpu, offers)
    )


def verified(scene, gpu):
    """Reads back what was set: a setting that did not stick renders on the CPU, and Blender says nothing."""
    preferences = cycles_preferences()
    kind = preferences.compute_device_type
    used = [device for device in preferences.devices if device.use]
    active = preferences.has_active_device() if hasattr(preferences, "has_active_device") else True
    ours = len(used) == 1 and used[0].type == kind and short_pci_id(gpu) in used[0].id.lower()
    if kind not in KINDS or scene.cycles.device != "GPU" or not ours or not active:
        raise Refused("engine_not_available", "Blender did not take the GPU %s as its device" % gpu)
    return "%s (%s)" % (used[0].name, kind)


def stop_if_lost(scene, gpu):
    """After a frame: what was verified before it holds still, or the frame may be the CPU's."""
    from settings import engine_of

    if gpu is not None and engine_of(scene) == "cycles":
        verified(scene, gpu)


def short_pci_id(pci_id):
    """`00000000:01:00.0` as in Cycles' ids: `0000:01:00`."""
    parts = pci_id.lower().split(".")[0].split(":")
    return ":".join([parts[0][-4:]] + parts[1:]) if len(parts) == 3 else pci_id.lower()
