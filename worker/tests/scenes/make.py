"""Makes the scenes of the engine tests into the folder given after `--`: 64 x 36 pixels, a few samples."""

import os
import shutil
import sys

import bpy

OUT = sys.argv[sys.argv.index("--") + 1]


def path(name):
    return os.path.join(OUT, name)


def save(name):
    bpy.ops.wm.save_as_mainfile(filepath=path(name), compress=True, check_existing=False, relative_remap=True)


def material(name, colour):
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    made.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = colour
    return made


def add(scene, name, data, at=(0.0, 0.0, 0.0)):
    thing = bpy.data.objects.new(name, data)
    thing.location = at
    scene.collection.objects.link(thing)
    return thing


def cube_mesh(name):
    corners = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(corners, [], sides)
    mesh.update()
    return mesh


def camera(scene, name, at, turn):
    made = add(scene, name, bpy.data.cameras.new(name), at)
    made.rotation_euler = turn
    return made


def base(samples=2, size=(64, 36)):
    """One cube, one lamp, one camera; nothing of the start-up file."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples = samples
    scene.cycles.use_denoising = False
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.render.resolution_percentage = 100
    scene.frame_start, scene.frame_end = 1, 4
    scene.world = bpy.data.worlds.new("World")
    cube = add(scene, "Cube", cube_mesh("Cube"))
    cube.data.materials.append(material("Paint", (0.8, 0.2, 0.1, 1.0)))
    lamp = add(scene, "Lamp", bpy.data.lights.new("Lamp", "POINT"), (4.0, -4.0, 5.0))
    lamp.data.energy = 800.0
    scene.camera = camera(scene, "Camera", (0.0, -8.0, 1.5), (1.4, 0.0, 0.0))
    return scene, cube, lamp


def keys(thing, name, values):
    for frame, value in values:
        setattr(thing, name, value)
        thing.keyframe_insert(name, frame=frame)


def moving():
    scene, cube, _ = base()
    keys(cube, "location", [(1, (-2.0, 0.0, 0.0)), (4, (2.0, 0.0, 1.0))])
    keys(scene.camera, "location", [(1, (0.0, -8.0, 1.5)), (4, (0.5, -7.0, 1.5))])
    save("moving.blend")


def changing():
    """What persistent data could get wrong: shading, light, world, shapes, visibility, modifiers, volume."""
    scene, cube, lamp = base()
    paint = cube.data.materials[0].node_tree.nodes["Principled BSDF"].inputs["Base Color"]
    keys(paint, "default_value", [(1, (0.8, 0.1, 0.1, 1.0)), (4, (0.1, 0.1, 0.8, 1.0))])
    keys(lamp.data, "energy", [(1, 200.0), (4, 2000.0)])
    scene.world.use_nodes = True
    sky = scene.world.node_tree.nodes["Background"].inputs["Color"]
    keys(sky, "default_value", [(1, (0.0, 0.0, 0.0, 1.0)), (4, (0.0, 0.3, 0.1, 1.0))])
    cube.shape_key_add(name="Basis")
    bulge = cube.shape_key_add(name="Bulge")
    bulge.data[0].co = (-2.0, -2.0, -2.0)
    keys(bulge, "value", [(1, 0.0), (4, 1.0)])
    blinking = add(scene, "Blinking", cube_mesh("Blinking"), (2.5, 0.0, 0.0))
    keys(blinking, "hide_render", [(1, False), (2, True), (3, False)])
    copies = add(scene, "Copies", cube_mesh("Copies"), (-3.0, 2.0, 0.0))
    rows = copies.modifiers.new("Rows", "ARRAY")
    keys(rows, "count", [(1, 1), (3, 3)])
    smoke = bpy.data.materials.new("Smoke")
    smoke.use_nodes = True
    nodes = smoke.node_tree.nodes
    nodes.remove(nodes["Principled BSDF"])
    scatter = nodes.new("ShaderNodeVolumeScatter")
    smoke.node_tree.links.new(scatter.outputs[0], nodes["Material Output"].inputs["Volume"])
    keys(scatter.inputs["Density"], "default_value", [(1, 0.05), (4, 0.5)])
    add(scene, "Cloud", cube_mesh("Cloud"), (0.0, -3.0, 1.0)).data.materials.append(smoke)
    save("changing.blend")


def cuts():
    """Two cameras bound to markers, and motion blur."""
    scene, cube, _ = base()
    keys(cube, "rotation_euler", [(1, (0.0, 0.0, 0.0)), (4, (0.0, 0.0, 3.0))])
    scene.render.use_motion_blur = True
    other = camera(scene, "Other", (8.0, 0.0, 1.5), (1.4, 0.0, 1.57))
    for frame, bound in ((1, scene.camera), (3, other)):
        scene.timeline_markers.new("cut%d" % frame, frame=frame).camera = bound
    save("cuts.blend")


def compositing():
    scene, cube, _ = base()
    keys(cube, "location", [(1, (-2.0, 0.0, 0.0)), (4, (2.0, 0.0, 1.0))])
    scene.use_nodes = True
    nodes, links = scene.node_tree.nodes, scene.node_tree.links
    nodes.clear()
    layer, invert, end = (nodes.new("CompositorNode" + name) for name in ("RLayers", "Invert", "Composite"))
    links.new(layer.outputs["Image"], invert.inputs["Color"])
    links.new(invert.outputs["Color"], end.inputs["Image"])
    escape = nodes.new("CompositorNodeOutputFile")
    escape.base_path = path("escaped")
    links.new(layer.outputs["Image"], escape.inputs[0])
    save("compositing.blend")


def layers():
    scene, _, _ = base()
    scene.view_layers[0].name = "Front"
    back = scene.view_layers.new("Back")
    back.use_pass_normal = True
    save("layers.blend")


def two_scenes():
    scene, _, _ = base()
    scene.name = "First"
    camera(scene, "Side", (8.0, 0.0, 1.5), (1.4, 0.0, 1.57))
    other = bpy.data.scenes.new("Second")
    other.render.engine = "CYCLES"
    other.cycles.samples = 1
    other.cycles.use_denoising = False
    other.render.resolution_x, other.render.resolution_y = 32, 32
    other.camera = camera(other, "Second camera", (0.0, -8.0, 1.5), (1.4, 0.0, 0.0))
    add(other, "Second cube", cube_mesh("Second cube"))
    save("two_scenes.blend")


def no_camera():
    scene, _, _ = base()
    scene.camera = None
    save("no_camera.blend")


def scripts():
    _, cube, _ = base()
    driver = cube.driver_add("location", 0).driver
    driver.type = "SCRIPTED"
    driver.expression = "len(str(frame))"
    save("script_driver.blend")
    base()
    text = bpy.data.texts.new("rig.py")
    text.write("print('ran')\n")
    text.use_module = True
    save("script_text.blend")
    _, cube, _ = base()
    driver = cube.driver_add("location", 0).driver
    driver.type = "SCRIPTED"
    driver.expression = "frame * 0.1"
    save("plain_driver.blend")


def libraries():
    base()
    group = bpy.data.collections.new("Kit")
    bpy.context.scene.collection.children.link(group)
    group.objects.link(bpy.data.objects["Cube"])
    bpy.context.scene.collection.objects.unlink(bpy.data.objects["Cube"])
    save("kit.blend")
    for name, own in (("only_linked.blend", False), ("partly_linked.blend", True)):
        scene, cube, _ = base()
        save(name)
        if not own:
            bpy.data.objects.remove(cube)
        with bpy.data.libraries.load(path("kit.blend"), link=True, relative=True) as (_, wanted):
            wanted.collections = ["Kit"]
        place = add(scene, "Place", None, (2.0, 0.0, 0.0))
        place.instance_type = "COLLECTION"
        place.instance_collection = wanted.collections[0]
        save(name)


def textures():
    base()
    picture = bpy.data.images.new("wood", 8, 8)
    picture.generated_color = (0.1, 0.6, 0.2, 1.0)
    picture.filepath_raw = path("wood.png")
    picture.file_format = "PNG"
    picture.save()
    for name, file in (("textured.blend", "//wood.png"), ("outside.blend", "//../wood.png")):
        _, cube, _ = base()
        save(name)
        nodes = cube.data.materials[0].node_tree.nodes
        node = nodes.new("ShaderNodeTexImage")
        node.image = bpy.data.images.load(path("wood.png"))
        node.image.filepath = file
        paint = nodes["Principled BSDF"].inputs["Base Color"]
        cube.data.materials[0].node_tree.links.new(node.outputs["Color"], paint)
        bpy.ops.wm.save_as_mainfile(filepath=path(name), relative_remap=False)


def strips():
    for name, folder in (("strip.blend", "//"), ("outside_strip.blend", "//../")):
        scene, _, _ = base()
        strip = scene.sequence_editor_create().sequences.new_image("Wood", path("wood.png"), 1, 1)
        strip.frame_final_duration = 4
        strip.directory = folder
        bpy.ops.wm.save_as_mainfile(filepath=path(name), relative_remap=False)


def letters():
    shutil.copy("/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf", path("letters.ttf"))
    for name, folder in (("letters.blend", "//"), ("outside_letters.blend", "//../")):
        scene, cube, _ = base()
        bpy.data.objects.remove(cube)
        text = bpy.data.curves.new("Text", "FONT")
        text.body, text.align_x, text.size = "grey", "CENTER", 2.0
        text.font = bpy.data.fonts.load(path("letters.ttf"))
        text.font.filepath = folder + "letters.ttf"
        add(scene, "Text", text).rotation_euler = (1.4, 0.0, 0.0)
        bpy.ops.wm.save_as_mainfile(filepath=path(name), relative_remap=False)


def other_scene_writes():
    scene, _, _ = base()
    other = scene.copy()
    other.use_nodes = True
    nodes, links = other.node_tree.nodes, other.node_tree.links
    nodes.clear()
    layer, end = (nodes.new("CompositorNode" + name) for name in ("RLayers", "Composite"))
    layer.scene = other
    links.new(layer.outputs["Image"], end.inputs["Image"])
    escape = nodes.new("CompositorNodeOutputFile")
    escape.base_path = "//../escaped"
    links.new(layer.outputs["Image"], escape.inputs[0])
    scene.sequence_editor_create().sequences.new_scene("Other", other, 1, 1)
    bpy.ops.wm.save_as_mainfile(filepath=path("other_scene_writes.blend"), relative_remap=False)


def freestyle():
    scene, _, _ = base()
    scene.render.use_freestyle = True
    style = scene.view_layers[0].freestyle_settings
    style.mode = "SCRIPT"
    style.modules.new().script = bpy.data.texts.new("style.py")
    bpy.data.texts["style.py"].write("open(bpy.path.abspath('//ran'), 'w')\n")
    save("script_freestyle.blend")


def settings():
    base(samples=100_000, size=(640, 360))
    save("slow.blend")
    scene, _, _ = base(samples=1, size=(30_000, 30_000))
    scene.cycles.use_auto_tile = False
    save("huge.blend")
    scene, _, _ = base()
    scene.cycles.use_denoising = True
    save("denoised.blend")
    scene, _, _ = base()
    scene.render.engine = "BLENDER_EEVEE"
    save("eevee.blend")
    scene, _, _ = base()
    scene.cycles.device = "GPU"
    save("wants_gpu.blend")
    # An engine that an add-on brings, which nobody else has.
    foreign = type("Foreign", (bpy.types.RenderEngine,), {"bl_idname": "FOREIGN", "bl_label": "Foreign"})
    bpy.utils.register_class(foreign)
    scene, _, _ = base()
    scene.render.engine = "FOREIGN"
    save("foreign_engine.blend")


for make in (
    moving,
    changing,
    cuts,
    compositing,
    layers,
    two_scenes,
    no_camera,
    scripts,
    libraries,
    textures,
    strips,
    letters,
    other_scene_writes,
    freestyle,
    settings,
):
    make()
print("scenes made")
