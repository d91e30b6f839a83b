//! The same farm on PostgreSQL: every test that touches the database, once more.

use crate::{crash, failures, harness, network, renders};

macro_rules! on_postgres {
    ($($module:ident::$test:ident),+ $(,)?) => {$(
        #[test]
        fn $test() {
            harness::use_postgres();
            $module::$test();
        }
    )+};
}

on_postgres! {
    renders::an_animation_of_24_frames_is_shared_by_two_workers_and_equals_bare_blender,
    renders::a_still_in_another_size_and_format,
    renders::exr_keeps_both_view_layers_and_has_a_thumbnail,
    renders::a_zip_brings_its_linked_texture_and_two_scenes_need_a_choice,
    failures::a_scene_without_a_camera_fails_at_once_in_words,
    failures::a_scene_that_needs_scripts_fails_in_words,
    failures::a_missing_texture_is_warned_about_and_rendered,
    failures::cancel_in_mid_frame_ends_blender_within_five_seconds,
    crash::a_worker_killed_in_mid_frame_leaves_its_finished_frames_and_no_blender,
    crash::the_cloud_killed_in_mid_job_loses_nothing_and_renders_nothing_twice,
    crash::a_worker_stopped_and_started_again_goes_on,
    network::a_socket_cut_for_a_minute_costs_nothing,
    network::a_worker_that_comes_back_after_its_lease_was_given_away_is_refused,
}
