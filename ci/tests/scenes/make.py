"""Makes a test scene: blender --background --python make.py -- KIND FRAMES FILE.

Every kind is a tiny picture, so that a test costs Blender's start and little more.
"""

import math
import os
import sys

import bpy


def base(frames):
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 1, frames
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = 2
    scene.cycles.use_denoising = False
    scene.cycles.use_adaptive_sampling = False
    scene.render.resolution_x, scene.render.resolution_y = 64, 36
    scene.render.resolution_percentage = 100
    scene.render.image_settings.file_format = "PNG"
    bpy.ops.mesh.primitive_monkey_add()
    head = bpy.context.object
    for frame, turn in ((1, 0.0), (frames + 1, math.tau)):
        head.rotation_euler = (0.0, 0.0, turn)
        head.keyframe_insert("rotation_euler", frame=frame)
    bpy.ops.object.light_add(type="SUN", location=(2.0, -4.0, 6.0))
    return scene, head


def camera(scene):
    bpy.ops.object.camera_add(location=(0.0, -5.0, 0.6), rotation=(math.radians(84), 0.0, 0.0))
    scene.camera = bpy.context.object


def texture(head, path, make):
    if make:
        picture = bpy.data.images.new("checks", 32, 32)
        red, blue = (1.0, 0.1, 0.1, 1.0), (0.1, 0.1, 1.0, 1.0)
        squares = [red if (x // 8 + y // 8) % 2 else blue for y in range(32) for x in range(32)]
        picture.pixels = [value for square in squares for value in square]
        picture.filepath_raw = path
        picture.file_format = "PNG"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        picture.save()
    else:
        # Blender will not load what is not there: load a real one, then name another.
        picture = bpy.data.images.new("checks", 8, 8)
        picture.source = "FILE"
    made = bpy.data.materials.new("textured")
    made.use_nodes = True
    node = made.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = picture
    shader = made.node_tree.nodes["Principled BSDF"]
    made.node_tree.links.new(node.outputs["Color"], shader.inputs["Base Color"])
    head.data.materials.append(made)
    return picture


def main():
    kind, frames, file = sys.argv[sys.argv.index("--") + 1 :]
    scene, head = base(int(frames))
    if kind != "no-camera":
        camera(scene)
    if kind == "slow":
        # About ten seconds a frame on two cores: long enough to be caught in the middle.
        scene.render.resolution_x, scene.render.resolution_y = 320, 180
        scene.cycles.samples = 400
    elif kind == "second":
        scene.render.resolution_x, scene.render.resolution_y = 160, 90
        scene.cycles.samples = 40
    elif kind == "layers":
        scene.view_layers[0].name = "Front"
        scene.view_layers.new("Back")
        scene.view_layers["Front"].use_pass_z = True
    elif kind == "texture":
        folder = os.path.dirname(file)
        picture = texture(head, os.path.join(folder, "textures", "checks.png"), True)
        bpy.ops.wm.save_as_mainfile(filepath=file)
        picture.filepath = "//textures/checks.png"
    elif kind == "missing-texture":
        picture = texture(head, "", False)
        picture.filepath = "//textures/gone.png"
    elif kind == "scripts":
        driver = head.driver_add("location", 2).driver
        driver.expression = "__import__('os').getpid() * 0.0"
    bpy.ops.wm.save_as_mainfile(filepath=file, compress=False)


main()
