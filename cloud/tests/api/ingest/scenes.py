"""Makes the scenes and the frames that the tests read.

Run by Blender: -b --factory-startup --python this -- FOLDER
"""
import os
import sys

import bpy

folder = sys.argv[sys.argv.index("--") + 1]


def path(*names):
    return os.path.join(folder, *names)


scene = bpy.context.scene
scene.name = "Kitchen"
scene.frame_start, scene.frame_end, scene.frame_step = -5, 48, 2
scene.render.engine = "CYCLES"
scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 640, 360, 50
scene.render.fps = 25
scene.cycles.samples = 17
scene.camera.name = "Main Camera"
second = bpy.data.objects.new("A Camera", bpy.data.cameras.new("A"))
scene.collection.objects.link(second)

other = bpy.data.scenes.new("Garden")
other.render.engine = "BLENDER_EEVEE"
away = bpy.data.objects.new("Garden Camera", bpy.data.cameras.new("G"))
other.collection.objects.link(away)

# A picture beside the file, one that is packed, and one that is nowhere.
os.makedirs(path("textures"), exist_ok=True)
material = bpy.data.materials.new("Wood")
material.use_nodes = True
bpy.data.objects["Cube"].data.materials.append(material)
for name, kept in (("wood", True), ("lost", False)):
    image = bpy.data.images.new(name, 8, 8)
    image.filepath_raw = path("textures", name + ".png")
    image.file_format = "PNG"
    image.save()
    image.source = "FILE"
    image.filepath = "//textures/" + name + ".png"
    node = material.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    if not kept:
        os.remove(path("textures", name + ".png"))
packed = bpy.data.images.new("packed", 8, 8)
packed.pack()
material.node_tree.nodes.new("ShaderNodeTexImage").image = packed

bpy.ops.wm.save_as_mainfile(filepath=path("plain.blend"), compress=False, relative_remap=False)
bpy.ops.wm.save_as_mainfile(filepath=path("packed.blend"), compress=True, relative_remap=False)

# Two view layers, one pass more than the picture.
scene.render.resolution_percentage = 25
scene.cycles.samples = 1
scene.cycles.use_denoising = False
scene.view_layers[0].use_pass_z = True
scene.view_layers.new("Second")
frames = (("OPEN_EXR_MULTILAYER", "layers.exr"), ("OPEN_EXR", "flat.exr"), ("PNG", "frame.png"))
for file_format, name in frames:
    scene.render.image_settings.file_format = file_format
    scene.render.filepath = path(name)
    scene.frame_set(1)
    bpy.ops.render.render(write_still=True)

# A camera that stands in the scene but in none of its view layers, and one that lives in another file.
bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene
drawer = bpy.data.collections.new("Drawer")
scene.collection.children.link(drawer)
drawer.objects.link(bpy.data.objects.new("Put Away", bpy.data.cameras.new("P")))
scene.collection.objects.link(bpy.data.objects.new("At Hand", bpy.data.cameras.new("H")))
bpy.context.view_layer.layer_collection.children["Drawer"].exclude = True
bpy.ops.wm.save_as_mainfile(filepath=path("excluded.blend"))
bpy.ops.wm.read_factory_settings(use_empty=True)
with bpy.data.libraries.load(path("plain.blend"), link=True) as (_, here):
    here.objects = ["Garden Camera"]
bpy.context.scene.collection.objects.link(bpy.data.objects["Garden Camera"])
bpy.ops.wm.save_as_mainfile(filepath=path("linked.blend"))
