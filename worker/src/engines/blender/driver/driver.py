"""Pictor's driver: loads one scene and renders the frames it is told, until its standard input ends.

Runs inside Blender (`blender --background --python driver.py`) and inside Python with the module `bpy`
(`python -I driver.py`), from 3.4 on. It reads one JSON object a line from standard input and answers the same
way on a private copy of standard output; standard output itself then goes to standard error, where Blender's
own chatter is expected. Only the standard library is used. Every failure is told as a line; what only
Blender's text tells is classified by the worker.
"""

import json
import os
import stat
import sys
import time
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


def c_flush():
    """C's `fflush`, where the system lets us reach it."""
    try:
        import ctypes

        return ctypes.CDLL(None).fflush
    except Exception:  # a Python without ctypes, or Windows: the mark may then come before a line or two
        return None


class Protocol:
    """The two private streams. Taken before `bpy` is imported, since that prints."""

    def __init__(self):
        self.answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
        self.orders = os.fdopen(os.dup(0), "r", encoding="utf-8")
        os.dup2(2, 1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        self.flush_c = c_flush()

    def say(self, what, **fields):
        self.answers.write(json.dumps({"say": what, **fields}) + "\n")
        self.answers.flush()

    def warn(self, kind, text):
        self.say("warning", kind=kind, text=text)

    def mark(self, frame):
        """Ends a frame's output on standard error, after all that C holds back."""
        sys.stdout.flush()
        if self.flush_c is not None:
            self.flush_c(None)
        os.write(2, b"\npictor-mark %d\n" % frame)


PROTOCOL = Protocol()

import bpy  # noqa: E402

from common import Refused  # noqa: E402
import assets  # noqa: E402
import devices  # noqa: E402
import settings  # noqa: E402

STATS_EVERY_SECONDS = 0.25


class Session:
    """The loaded scene."""

    def __init__(self):
        self.scene = None
        self.gpu = None
        self.stats_at = 0.0

    def load(self, order):
        open_scene(order["scene_path"])
        stop_if_scripts_wanted()
        scene = settings.choose_scene(order["scene"])
        assets.check(scene, order["inputs_dir"], PROTOCOL.warn)
        settings.apply(scene, order, PROTOCOL.warn)
        device = devices.choose(scene, order["gpu"], PROTOCOL.warn)
        settings.choose_denoiser(scene, order["gpu"] is not None, PROTOCOL.warn)
        self.scene = scene
        self.gpu = order["gpu"]
        bpy.app.handlers.render_stats.append(self.on_stats)
        layers = sum(1 for layer in scene.view_layers if layer.use)
        PROTOCOL.say("ready", device=device, layers=layers)

    def on_stats(self, text, *_):
        """Newer versions hand over their progress text; 3.4 hands over nothing and prints it."""
        now = time.monotonic()
        if isinstance(text, str) and now - self.stats_at >= STATS_EVERY_SECONDS:
            self.stats_at = now
            PROTOCOL.say("stats", text=text)

    def render(self, frame, path):
        if os.path.lexists(path) and stat.S_ISREG(os.lstat(path).st_mode):
            os.remove(path)
        scene = self.scene
        scene.frame_set(frame)
        stop_if_scripts_wanted()
        if settings.needs_camera(scene) and scene.camera is None:
            raise Refused("no_camera", "the scene has no active camera in frame %d" % frame)
        scene.render.filepath = literal(path)
        outcome = bpy.ops.render.render(write_still=True, scene=scene.name)
        stop_if_scripts_wanted()
        devices.stop_if_lost(scene, self.gpu)
        PROTOCOL.say(
            "rendered", frame=frame, finished="FINISHED" in outcome, memory_peak_bytes=memory_peak_bytes()
        )
        PROTOCOL.mark(frame)


def literal(path):
    """From 5.0 on, braces in an output path are templates."""
    if bpy.app.version >= (5, 0, 0):
        path = path.replace("{", "{{").replace("}", "}}")
    return path


def open_scene(path):
    try:
        bpy.ops.wm.open_mainfile(filepath=path, load_ui=False, use_scripts=False)
    except RuntimeError as error:
        raise Refused("bad_scene", "Blender %s cannot open the scene: %s" % (bpy.app.version_string, error))


def stop_if_scripts_wanted():
    """Blender itself goes on without the script and would render wrong values."""
    if bpy.app.autoexec_fail and not bpy.app.autoexec_fail_quiet:
        raise Refused("needs_scripts", "the scene needs a script (%s)" % bpy.app.autoexec_fail_message)


def memory_peak_bytes():
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def greet():
    PROTOCOL.say(
        "hello",
        version=".".join(str(part) for part in bpy.app.version),
        denoiser=devices.has_denoiser(),
    )


def serve():
    greet()
    session = Session()
    try:
        for line in PROTOCOL.orders:
            order = json.loads(line)
            if order["do"] == "load":
                session.load(order)
            elif order["do"] == "render":
                session.render(order["frame"], order["path"])
            elif order["do"] == "try_engine":
                PROTOCOL.say("tried", why_not=settings.try_engine(order))
    except Refused as refusal:
        PROTOCOL.say("failed", kind=refusal.kind, text=refusal.text)
    except MemoryError:
        PROTOCOL.say("failed", kind="out_of_memory", text="Python found no memory")
    except Exception as error:  # told, never swallowed: the worker classifies the text
        traceback.print_exc()
        PROTOCOL.say("failed", kind=None, text=str(error).strip() or repr(error))


def leave():
    """Ends at once: the orderly end of some `bpy` versions hangs."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


try:
    serve()
finally:
    leave()
