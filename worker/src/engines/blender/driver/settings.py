"""Puts the task's settings over the file's: scene, camera, engine, size, samples, format, output."""

import os

import bpy

from common import Refused, quoted_list
from host import strips

# Names of our three engines over the versions, newest first; an enum that lacks a name raises TypeError.
ENGINE_NAMES = {
    "cycles": ["CYCLES"],
    "eevee": ["BLENDER_EEVEE_NEXT", "BLENDER_EEVEE"],
    "workbench": ["BLENDER_WORKBENCH"],
}


def engine_of(scene):
    """Our name of the scene's engine; the program's own where we have none."""
    for ours, names in ENGINE_NAMES.items():
        if scene.render.engine in names:
            return ours
    return scene.render.engine


def set_engine(scene, ours):
    for name in ENGINE_NAMES[ours]:
        try:
            scene.render.engine = name
            return True
        except TypeError:
            continue
    return False


def choose_scene(name):
    if name is None:
        scene = bpy.context.scene or bpy.data.scenes[0]
    else:
        scene = bpy.data.scenes.get(name)
    if scene is None:
        have = quoted_list(scene.name for scene in bpy.data.scenes)
        raise Refused("bad_scene", "there is no scene '%s' in the file; it has %s" % (name, have))
    window = bpy.context.window
    if window is not None:
        window.scene = scene
    return scene


def apply(scene, order, warn):
    choose_engine(scene, order["engine"], order["engines"])
    choose_camera(scene, order["camera"])
    if order["resolution"] is not None:
        scene.render.resolution_x, scene.render.resolution_y = order["resolution"]
        scene.render.resolution_percentage = 100
    if order["samples"] is not None:
        choose_samples(scene, order["samples"], warn)
    choose_output(scene, order["format"], warn)
    # The pixels do not depend on the number of threads; a file of a small machine must not bind a big one.
    scene.render.threads_mode = "AUTO"
    # An unchanged scene is not built anew for each frame.
    scene.render.use_persistent_data = True


def choose_engine(scene, wanted, usable):
    if wanted is not None and not set_engine(scene, wanted):
        lacks = "Blender %s has no engine %s" % (bpy.app.version_string, wanted)
        raise Refused("engine_not_available", lacks)
    engine = engine_of(scene)
    if not engine:
        raise Refused(
            "engine_not_available",
            "the scene names a render engine that Blender %s does not have" % bpy.app.version_string,
        )
    if engine not in usable:
        raise Refused(
            "engine_not_available",
            "the scene needs %s, which does not run on this machine (Blender %s runs %s here)"
            % (engine, bpy.app.version_string, quoted_list(usable) or "none"),
        )


def choose_camera(scene, name):
    if name is not None:
        camera = scene.objects.get(name)
        if camera is None or camera.type != "CAMERA":
            have = quoted_list(thing.name for thing in scene.objects if thing.type == "CAMERA") or "none"
            lacks = "there is no camera '%s' in scene '%s'; its cameras: %s" % (name, scene.name, have)
            raise Refused("bad_scene", lacks)
        scene.camera = camera
        for marker in scene.timeline_markers:
            marker.camera = None
    bound = any(marker.camera for marker in scene.timeline_markers)
    if needs_camera(scene) and scene.camera is None and not bound:
        raise Refused(
            "no_camera",
            "scene '%s' has no active camera" % scene.name,
        )


def compositor(scene):
    """The compositor's tree, in use; nothing where there is none."""
    if not scene.render.use_compositing:
        return None
    if hasattr(scene, "compositing_node_group"):
        return scene.compositing_node_group
    return scene.node_tree if scene.use_nodes else None


def needs_camera(scene):
    """Strips, and a compositor without a render layer, need none."""
    if scene.render.use_sequencer and any(strip.type != "SOUND" for strip in strips(scene)):
        return False
    tree = compositor(scene)
    return tree is None or any(node.bl_idname == "CompositorNodeRLayers" for node in all_nodes(tree))


def all_nodes(tree, seen=None):
    seen = seen if seen is not None else set()
    if tree is None or tree.name_full in seen:
        return
    seen.add(tree.name_full)
    for node in tree.nodes:
        yield node
        yield from all_nodes(getattr(node, "node_tree", None), seen)


def choose_samples(scene, samples, warn):
    engine = engine_of(scene)
    if engine == "cycles":
        scene.cycles.samples = samples
        scene.cycles.use_layer_samples = "IGNORE"
    elif engine == "eevee":
        scene.eevee.taa_render_samples = samples
    else:
        warn("setting_changed", "%s has no free number of samples: the file's setting is used" % engine)


def choose_output(scene, wanted, warn):
    render = scene.render
    image = render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "MULTI_LAYER_IMAGE" if wanted == "OPEN_EXR_MULTILAYER" else "IMAGE"
    if image.file_format != wanted:
        image.file_format = wanted
    render.use_file_extension = True
    render.use_overwrite = True
    render.use_placeholder = False
    render.use_single_layer = False
    if render.use_multiview:
        # One file a frame, whatever the views.
        if wanted.startswith("OPEN_EXR"):
            image.views_format = "MULTIVIEW"
        else:
            image.views_format = "STEREO_3D"
            image.stereo_3d_format.display_mode = "SIDEBYSIDE"
            warn("setting_changed", "the stereo views are put side by side in one picture")


def choose_denoiser(scene, on_gpu, warn):
    """A denoiser that is not there makes Blender render all samples and then write no file."""
    import devices

    if engine_of(scene) != "cycles" or not scene.cycles.use_denoising:
        return
    if not devices.has_denoiser():
        optix = on_gpu and scene.cycles.denoiser == "OPTIX"
        if not optix:
            scene.cycles.use_denoising = False
            warn("setting_changed", "denoising is switched off: this build of Blender has no denoiser")
    elif scene.cycles.denoiser == "OPTIX" and not on_gpu:
        scene.cycles.denoiser = "OPENIMAGEDENOISE"
        warn("setting_changed", "denoised with OpenImageDenoise: OptiX needs an NVIDIA GPU")


def try_engine(order):
    """Renders 8 x 8 pixels of the start-up scene; answers nothing if that worked, else why not."""
    import devices

    scene = bpy.context.scene or bpy.data.scenes[0]
    if not set_engine(scene, order["engine"]):
        return "this version has no such engine"
    if order["engine"] == "cycles":
        scene.cycles.samples = 1
        scene.cycles.use_denoising = False
    devices.choose(scene, order["gpu"], lambda *_: None)
    scene.render.resolution_x = scene.render.resolution_y = 8
    scene.render.resolution_percentage = 100
    choose_output(scene, "PNG", lambda *_: None)
    scene.render.filepath = order["path"]
    try:
        bpy.ops.render.render(write_still=True)
    except RuntimeError as error:
        return str(error).strip()
    devices.stop_if_lost(scene, order["gpu"])
    return None if os.path.isfile(order["path"]) else "it wrote no picture"
