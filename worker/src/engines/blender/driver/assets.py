"""Looks for what the scene needs and does not have, before anything is rendered.

Blender renders on without it: a missing picture is pink, a missing library is an empty object, and the
program still ends well. Files outside the job's folder count as missing and are cleared; what else a scene
could reach of its host is `host.py`'s.
"""

import os

import bpy

import host
from common import Refused, quoted_list

WARNINGS_MAX = 50
BUILT_IN = "<builtin>"
SHAPES = {
    *("MESH", "CURVE", "CURVES", "SURFACE", "META", "FONT", "HAIR"),
    *("VOLUME", "POINTCLOUD", "GPENCIL", "GREASEPENCIL"),
}


class Search:
    """Which paths may be read, and what was missing."""

    def __init__(self, inputs_dir, warn):
        own = [bpy.utils.resource_path(kind) for kind in ("LOCAL", "SYSTEM")]
        self.allowed = [os.path.abspath(folder) + os.sep for folder in [inputs_dir, *own] if folder]
        self.warn_of = warn
        self.warned = 0

    def warn(self, text):
        self.warned += 1
        if self.warned <= WARNINGS_MAX:
            self.warn_of("missing_file", text)

    def why_not(self, path, library=None):
        """Nothing if the file can be used, else why not."""
        full = os.path.abspath(bpy.path.abspath(path, library=library))
        if not any((full + os.sep).startswith(folder) for folder in self.allowed):
            return "lies outside the job's files" if os.path.lexists(full) else "is missing"
        return None if os.path.exists(full) else "is missing"


def check(scene, inputs_dir, warn):
    search = Search(inputs_dir, warn)
    missing = check_libraries(search)
    if missing and not draws_anything(scene):
        raise Refused(
            "missing_file",
            "scene '%s' is empty without the library %s" % (scene.name, quoted_list(missing)),
        )
    check_images(search)
    check_fonts(search)
    check_sequences(search)
    check_simulations(search, scene)
    host.close(search, warn)
    if search.warned > WARNINGS_MAX:
        warn("missing_file", "%d more files are missing" % (search.warned - WARNINGS_MAX))


def check_libraries(search):
    missing = []
    for library in bpy.data.libraries:
        why_not = search.why_not(library.filepath, library.parent)
        if why_not == "lies outside the job's files":
            raise Refused("missing_file", "the library %s %s" % (library.filepath, why_not))
        if why_not:
            missing.append(library.filepath)
            search.warn("library %s %s; what it holds is not in the picture" % (library.filepath, why_not))
    return missing


def draws_anything(scene):
    for thing in scene.objects:
        if thing.hide_render:
            continue
        if thing.type in SHAPES and thing.data is not None:
            return True
        group = thing.instance_collection
        if group is not None and any(inner.type in SHAPES for inner in group.all_objects):
            return True
    return False


def check_images(search):
    for image in bpy.data.images:
        from_disk = image.source in {"FILE", "SEQUENCE", "MOVIE", "TILED"}
        if not from_disk or not image.filepath or image.users == 0:
            continue
        # A film, or pictures in sequence, are read from the disk whatever is packed.
        is_packed = image.packed_file is not None or len(getattr(image, "packed_files", ())) > 0
        if is_packed and image.source in {"FILE", "TILED"}:
            continue
        for path in image_files(image):
            why_not = search.why_not(path, image.library)
            if why_not:
                search.warn("texture %s %s; it renders pink" % (path, why_not))
                if why_not != "is missing":
                    image.filepath = ""
                break


def image_files(image):
    if image.source != "TILED":
        return [image.filepath]
    names = []
    for tile in image.tiles:
        u, v = (tile.number - 1001) % 10 + 1, (tile.number - 1001) // 10 + 1
        name = image.filepath.replace("<UDIM>", str(tile.number))
        names.append(name.replace("<UVTILE>", "u%d_v%d" % (u, v)))
    return names


def check_fonts(search):
    for font in list(bpy.data.fonts):
        if font.packed_file is None and font.users and font.filepath and font.filepath != BUILT_IN:
            why_not = search.why_not(font.filepath, font.library)
            if why_not:
                search.warn("font %s %s; Blender's own is drawn instead" % (font.filepath, why_not))
            if why_not and why_not != "is missing":
                # Its letters may be in memory already.
                font.user_remap(bpy.data.fonts.load(BUILT_IN, check_existing=True))
                font.filepath = BUILT_IN


def check_sequences(search):
    """Caches and films that are read frame by frame."""
    kinds = [("cache_files", "cache"), ("volumes", "volume"), ("movieclips", "film")]
    for collection, word in kinds:
        for block in getattr(bpy.data, collection, ()):
            packed = getattr(block, "packed_file", None)
            if not block.users or not block.filepath or packed is not None:
                continue
            for layer in list(getattr(block, "layers", ())):
                if search.why_not(layer.filepath, block.library):
                    block.layers.remove(layer)
            why_not = search.why_not(block.filepath, block.library)
            if why_not:
                consequence = "what it drives does not move or is not in the picture"
                search.warn("%s %s %s; %s" % (word, block.filepath, why_not, consequence))
                if why_not != "is missing":
                    block.filepath = ""


def check_simulations(search, scene):
    """An unbaked simulation depends on all frames before, which a farm renders elsewhere."""
    loose = set()
    for thing in scene.objects:
        for modifier in thing.modifiers:
            cache = getattr(modifier, "point_cache", None)
            if cache is not None and modifier.show_render and not cache.is_baked:
                loose.add(thing.name)
        for system in getattr(thing, "particle_systems", ()):
            settings = system.settings
            hair = settings is not None and settings.type == "HAIR" and not system.use_hair_dynamics
            if not hair and not system.point_cache.is_baked:
                loose.add(thing.name)
    world = scene.rigidbody_world
    cache = world.point_cache if world is not None and world.enabled else None
    if cache is not None and not cache.is_baked:
        loose.add("rigid body world")
    if loose:
        search.warn(
            "the simulation of %s is not baked: its frames may differ from a render on one machine; "
            "bake it and submit again" % quoted_list(sorted(loose))
        )
