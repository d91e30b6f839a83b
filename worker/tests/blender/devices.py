"""Tries the driver's choice of a device against a Blender that offers what each case says. Runs inside
Blender, whose own `bpy` is put aside. The folder of the driver comes after `--`."""

import sys
import types

sys.path.insert(0, sys.argv[sys.argv.index("--") + 1])

A = "0000:01:00"
B = "0000:41:00"


class Preferences:
    """What the add-on Cycles shows: devices by kind, and whether it keeps what is set."""

    def __init__(self, offers, keeps=True):
        object.__setattr__(self, "keeps", keeps)
        object.__setattr__(self, "offers", offers)
        object.__setattr__(self, "compute_device_type", "NONE")
        object.__setattr__(self, "devices", [])

    def __setattr__(self, name, value):
        if value not in self.offers:
            raise TypeError("enum not found")
        object.__setattr__(self, name, value)

    def refresh_devices(self):
        kind = self.compute_device_type
        shown = [("%s_Card_%s" % (kind, pci), kind) for pci in self.offers[kind]] + [("CPU", "CPU")]
        made = [types.SimpleNamespace(name="Card", id=i, type=t, use=True) for i, t in shown]
        object.__setattr__(self, "devices", made)

    def has_active_device(self):
        return self.keeps and any(device.use and device.type != "CPU" for device in self.devices)


def blender_with(preferences):
    addons = {} if preferences is None else {"cycles": types.SimpleNamespace(preferences=preferences)}
    context = types.SimpleNamespace(preferences=types.SimpleNamespace(addons=addons))
    sys.modules["bpy"] = types.SimpleNamespace(context=context)
    for name in ("devices", "settings"):
        sys.modules.pop(name, None)
    import devices

    return devices


def scene():
    render = types.SimpleNamespace(engine="CYCLES", threads=4)
    return types.SimpleNamespace(render=render, cycles=types.SimpleNamespace(device="CPU"))


def refused(preferences, gpu):
    devices = blender_with(preferences)
    try:
        devices.choose(scene(), gpu, None)
    except devices.Refused as refusal:
        assert refusal.kind == "engine_not_available", refusal.kind
        return refusal.text
    raise AssertionError("it was not refused")


def taken(preferences, gpu):
    devices = blender_with(preferences)
    made = scene()
    words = devices.choose(made, gpu, None)
    used = [device.id for device in preferences.devices if device.use]
    assert made.cycles.device == "GPU", made.cycles.device
    devices.stop_if_lost(made, gpu)
    return words, used, devices, made


# Of two cards exactly the slot's own, by the newer interface where it is offered.
both = {"OPTIX": [A, B], "CUDA": [A, B]}
assert taken(Preferences(both), "00000000:41:00.0")[:2] == ("Card (OPTIX)", ["OPTIX_Card_" + B])
assert taken(Preferences({"CUDA": [A, B]}), "00000000:01:00.0")[:2] == ("Card (CUDA)", ["CUDA_Card_" + A])
# A card that only the older interface knows.
assert taken(Preferences({"OPTIX": [A], "CUDA": [A, B]}), "00000000:41:00.0")[1] == ["CUDA_Card_" + B]

# No card, another card, a setting that does not stick, no Cycles: refused, with what there is.
assert "no device" in refused(Preferences({}), "00000000:41:00.0")
assert "'Card (CPU)'" in refused(Preferences({"CUDA": []}), "00000000:41:00.0")
assert "00000000:42:00.0" in refused(Preferences(both), "00000000:42:00.0")
assert "did not take" in refused(Preferences(both, keeps=False), "00000000:41:00.0")
assert "without Cycles" in refused(None, "00000000:41:00.0")

# A choice that is lost later is seen after the frame.
_, _, devices, made = taken(Preferences(both), "00000000:41:00.0")
made.cycles.device = "CPU"
try:
    devices.stop_if_lost(made, "00000000:41:00.0")
except devices.Refused:
    pass
else:
    raise AssertionError("a lost device was not seen")

# The CPU is called the CPU, and a wish for a GPU is told.
told = []
made = scene()
made.cycles.device = "GPU"
devices = blender_with(None)
assert devices.choose(made, None, lambda kind, text: told.append(kind)) == "CPU, 4 threads"
assert (made.cycles.device, told) == ("CPU", ["cpu_fallback"])
devices.stop_if_lost(made, None)
print("devices are chosen as they should")
