"""Keeps a scene away from its host: nothing outside the job's folder is read or written, and no code of the
scene runs.

Blender's own switch for scripts covers drivers and registered texts only; Freestyle's modules run whatever it
says, and OSL reads any picture. Every scene of the file is looked at: a strip renders another one.
"""

import bpy

from common import Refused, quoted_list

SCRIPTS = "needs_scripts"


def close(search, warn):
    """Before anything is rendered. `search` tells which files may be read."""
    stop_freestyle_modules()
    stop_open_shading()
    check_strips(search)
    check_sounds(search)
    check_nodes(search)
    check_modifiers(search)
    silence_file_outputs(warn)


def stop_freestyle_modules():
    for scene in bpy.data.scenes:
        for layer in scene.view_layers:
            freestyle = getattr(layer, "freestyle_settings", None)
            if freestyle is None:
                continue
            runs = freestyle.mode == "SCRIPT" and any(module.use for module in freestyle.modules)
            if runs and scene.render.use_freestyle and layer.use_freestyle:
                raise Refused(SCRIPTS, "Freestyle of scene '%s' is drawn by a script" % scene.name)
            # A key frame may switch them on.
            for module in list(freestyle.modules):
                freestyle.modules.remove(module)


def stop_open_shading():
    for camera in bpy.data.cameras:
        if camera.type == "CUSTOM":
            raise Refused(SCRIPTS, "the camera '%s' is an OSL script" % camera.name)
        if hasattr(camera, "custom_filepath"):
            camera.custom_filepath, camera.custom_shader, camera.custom_bytecode = "", None, ""
    is_on = any(getattr(getattr(scene, "cycles", None), "shading_system", False) for scene in bpy.data.scenes)
    for tree in node_trees():
        for node in [node for node in tree.nodes if node.bl_idname == "ShaderNodeScript"]:
            if is_on:
                raise Refused(SCRIPTS, "the node '%s' of '%s' is an OSL script" % (node.name, tree.name))
            tree.nodes.remove(node)


def node_trees():
    yield from bpy.data.node_groups
    for kind in ("scenes", "materials", "worlds", "lights", "textures", "linestyles"):
        for block in getattr(bpy.data, kind):
            tree = getattr(block, "node_tree", None)
            if tree is not None:
                yield tree


def strips(scene):
    """All of them, those inside of others too."""
    editor = scene.sequence_editor
    if editor is None:
        return []
    return list(getattr(editor, "strips_all", None) or getattr(editor, "sequences_all", None) or [])


def check_strips(search):
    for scene in bpy.data.scenes:
        for strip in strips(scene):
            for path in strip_files(strip):
                why_not = search.why_not(path, scene.library)
                if why_not:
                    search.warn("strip %s %s; it is not in the picture" % (path, why_not))
                    if why_not != "is missing":
                        clear_strip(strip)
                    break


def strip_files(strip):
    if strip.type == "MOVIE":
        return [strip.filepath] if strip.filepath else []
    if strip.type == "IMAGE":
        folder = strip.directory
        if folder and not folder.endswith(("/", "\\")):
            folder += "/"
        return [folder + element.filename for element in strip.elements if element.filename]
    return []


def clear_strip(strip):
    if strip.type == "MOVIE":
        strip.filepath = ""
        return
    strip.directory = ""
    for element in strip.elements:
        element.filename = ""


def check_sounds(search):
    """A picture needs none: only those of the host are worth a word."""
    for sound in bpy.data.sounds:
        if sound.packed_file is None and sound.filepath:
            why_not = search.why_not(sound.filepath, sound.library)
            if why_not and why_not != "is missing":
                search.warn("sound %s %s; it is left out" % (sound.filepath, why_not))
                sound.filepath = ""


def check_nodes(search):
    """Nodes that read a file by themselves: light profiles, and what geometry nodes import."""
    for tree in node_trees():
        for node in list(tree.nodes):
            is_import = node.bl_idname.startswith("GeometryNodeImport")
            path = imported(node) if is_import else getattr(node, "filepath", "")
            if path == "":
                continue
            why_not = "is known only while it renders" if path is None else search.why_not(path, tree.library)
            if why_not:
                name = "the file of node '%s'" % node.name if path is None else path
                search.warn("%s %s; what it brings is not in the picture" % (name, why_not))
            if why_not and why_not != "is missing":
                tree.nodes.remove(node)


def imported(node):
    """The path; nothing where other nodes make it up."""
    socket = node.inputs[0]
    return None if socket.is_linked else socket.default_value


def check_modifiers(search):
    for thing in bpy.data.objects:
        for modifier in thing.modifiers:
            settings = getattr(modifier, "domain_settings", None)
            clear(search, thing, modifier, "filepath")
            clear(search, thing, modifier, "bake_directory")
            for bake in getattr(modifier, "bakes", ()):
                clear(search, thing, bake, "directory")
            clear(search, thing, settings, "cache_directory")
            clear_cache(search, thing, getattr(modifier, "point_cache", None))
        for system in getattr(thing, "particle_systems", ()):
            clear_cache(search, thing, system.point_cache)


def clear_cache(search, thing, cache):
    for one in [cache, *getattr(cache, "point_caches", ())] if cache is not None else []:
        if one.use_external:
            clear(search, thing, one, "filepath")


def clear(search, thing, owner, name):
    path = getattr(owner, name, "")
    why_not = search.why_not(path, thing.library) if path else None
    if why_not and why_not != "is missing":
        search.warn("cache %s of '%s' %s; it is not read" % (path, thing.name, why_not))
        setattr(owner, name, "//")


def silence_file_outputs(warn):
    """Such a node writes wherever the file says, which no farm machine may allow."""
    named = []
    for tree in node_trees():
        for node in [node for node in tree.nodes if node.bl_idname == "CompositorNodeOutputFile"]:
            named.append(node.label or node.name)
            tree.nodes.remove(node)
    if named:
        warn(
            "setting_changed",
            "File Output node %s writes nothing on the farm: only the frame itself comes back"
            % quoted_list(named),
        )
