"""Makes a sample scene: blender --background --python make_scene.py -- KIND FRAMES FILE."""

import math
import sys

import bpy


def material(name, colour, roughness=0.4, metallic=0.0, emission=0.0):
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    shader = made.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*colour, 1.0)
    shader.inputs["Roughness"].default_value = roughness
    shader.inputs["Metallic"].default_value = metallic
    if emission:
        for key in ("Emission", "Emission Color"):
            if key in shader.inputs:
                shader.inputs[key].default_value = (*colour, 1.0)
        shader.inputs["Emission Strength"].default_value = emission
    return made


def give(thing, made):
    thing.data.materials.append(made)
    return thing


def key_turn(thing, frames, turns=1.0):
    """Turns about the vertical axis, evenly, so that every frame differs."""
    thing.rotation_euler = (0.0, 0.0, 0.0)
    thing.keyframe_insert("rotation_euler", frame=1)
    thing.rotation_euler = (0.0, 0.0, math.tau * turns)
    thing.keyframe_insert("rotation_euler", frame=frames + 1)
    for curve in thing.animation_data.action.fcurves:
        for point in curve.keyframe_points:
            point.interpolation = "LINEAR"


def camera_on(target, distance, height):
    bpy.ops.object.camera_add(location=(0.0, -distance, height))
    camera = bpy.context.object
    track = camera.constraints.new("TRACK_TO")
    track.target = target
    bpy.context.scene.camera = camera
    return camera


def still_life(frames):
    bpy.ops.mesh.primitive_plane_add(size=30)
    give(bpy.context.object, material("ground", (0.10, 0.11, 0.14), roughness=0.25))
    bpy.ops.object.empty_add(location=(0.0, 0.0, 0.8))
    middle = bpy.context.object
    colours = [(0.95, 0.35, 0.12), (0.15, 0.45, 0.95), (0.10, 0.75, 0.45), (0.95, 0.80, 0.20)]
    colours.append((0.70, 0.25, 0.85))
    for number, colour in enumerate(colours):
        angle = math.tau * number / len(colours)
        place = (2.2 * math.cos(angle), 2.2 * math.sin(angle), 0.6)
        if number % 2:
            bpy.ops.mesh.primitive_uv_sphere_add(radius=0.6, location=place, segments=32, ring_count=16)
            bpy.ops.object.shade_smooth()
        else:
            bpy.ops.mesh.primitive_cube_add(size=1.0, location=place, rotation=(0.0, 0.0, angle))
            bevel = bpy.context.object.modifiers.new("bevel", "BEVEL")
            bevel.width = 0.08
            bevel.segments = 3
        thing = give(bpy.context.object, material(f"m{number}", colour, metallic=float(number % 2)))
        thing.parent = middle
    bpy.ops.mesh.primitive_torus_add(location=(0.0, 0.0, 1.2), major_radius=0.8, minor_radius=0.22)
    bpy.ops.object.shade_smooth()
    give(bpy.context.object, material("ring", (1.0, 0.85, 0.55), roughness=0.15, metallic=1.0))
    key_turn(middle, frames, turns=0.4)
    bpy.ops.object.light_add(type="AREA", location=(4.0, -4.0, 6.0))
    bpy.context.object.data.energy = 900
    bpy.context.object.data.size = 4
    bpy.ops.object.light_add(type="AREA", location=(-5.0, 2.0, 4.0))
    bpy.context.object.data.energy = 300
    bpy.context.object.data.color = (0.6, 0.75, 1.0)
    camera_on(middle, 7.5, 3.6)


def heavy(frames):
    """Many subdivided things that stand still while the camera goes by."""
    for number in range(3):
        bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=6, location=(number * 2.2 - 2.2, 0.0, 1.0))
        thing = bpy.context.object
        thing.modifiers.new("fine", "SUBSURF").render_levels = 1
        noise = thing.modifiers.new("noise", "DISPLACE")
        noise.texture = bpy.data.textures.new(f"clouds{number}", "CLOUDS")
        noise.strength = 0.3
    bpy.ops.object.light_add(type="SUN", location=(0.0, 0.0, 8.0))
    bpy.ops.object.empty_add(location=(0.0, 0.0, 1.0))
    target = bpy.context.object
    camera = camera_on(target, 11.0, 4.0)
    camera.keyframe_insert("location", frame=1)
    camera.location.x = 2.0
    camera.keyframe_insert("location", frame=frames)


def settings(kind, frames):
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 1, frames
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.use_denoising = False
    scene.cycles.use_adaptive_sampling = False
    scene.render.image_settings.file_format = "PNG"
    size, samples = {
        "demo": ((480, 270), 24),
        "trivial": ((32, 18), 1),
        "second": ((320, 180), 40),
        "heavy": ((64, 36), 1),
    }[kind]
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.render.resolution_percentage = 100
    scene.cycles.samples = samples
    scene.cycles.max_bounces = 4
    world = bpy.data.worlds.new("world")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs[0].default_value = (0.05, 0.06, 0.09, 1.0)
    scene.world = world


def main():
    kind, frames, file = sys.argv[sys.argv.index("--") + 1 :]
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    (heavy if kind == "heavy" else still_life)(int(frames))
    settings(kind, int(frames))
    bpy.ops.wm.save_as_mainfile(filepath=file, compress=False)


main()
