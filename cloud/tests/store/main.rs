//! The store's tests: one suite, run over SQLite and over PostgreSQL.
//!
//! PostgreSQL is named by `PICTOR_TEST_POSTGRES` (a server where databases may be made); `cargo ci test`
//! starts one and sets it. Each test makes a database of its own.
#![allow(clippy::unwrap_used, missing_docs)]

mod accounts;
mod audit;
mod database;
mod engines;
mod farm;
mod frames;
mod jobs;
mod leases;
mod logs;
mod old;
mod replicas;
mod texts;
mod uploads;
mod workers;

/// Names each test once; both engines run it.
macro_rules! on_both_engines {
    ($($module:ident: $($test:ident)+;)+) => {
        mod sqlite {
            $($(
                #[tokio::test]
                async fn $test() {
                    let engine = crate::engines::Engine::sqlite().await;
                    crate::$module::$test(engine.store.clone()).await;
                    engine.end().await;
                }
            )+)+
        }

        mod postgres {
            $($(
                #[tokio::test]
                async fn $test() {
                    let engine = crate::engines::Engine::postgres().await;
                    crate::$module::$test(engine.store.clone()).await;
                    engine.end().await;
                }
            )+)+
        }
    };
}

on_both_engines! {
    accounts:
        an_address_is_taken_in_whatever_case
        a_patch_changes_only_what_it_names
        the_set_up_address_works_once
        the_set_up_address_ends_with_the_first_account
        of_many_first_accounts_one_is_made
        sessions_and_tokens_end_when_they_should
        a_new_password_ends_the_other_sessions_with_it
        accounts_come_in_pages
        an_idempotency_key_has_one_effect;
    workers:
        a_name_is_unique_until_its_worker_is_removed
        workers_are_listed_sorted_searched_and_paged
        a_configuration_file_is_traded_once
        a_newer_configuration_file_replaces_the_older
        of_many_who_call_at_once_each_is_known
        a_newer_connection_supersedes_the_older
        what_a_machine_is_now_is_taken_from_its_newest_connection_only
        many_heartbeats_are_kept_and_renew_leases
        only_who_should_be_there_counts_as_silent
        a_removed_worker_gives_its_leases_back
        minutes_replace_and_are_dropped_by_age;
    old:
        what_is_old_goes_a_few_rows_at_a_time
        a_pass_drops_all_that_is_old;
    texts:
        a_zero_byte_in_a_text_breaks_no_write;
    uploads:
        an_upload_goes_from_open_to_complete
        a_complete_upload_that_no_job_uses_goes_in_time
        blobs_belong_to_who_brought_them
        only_blobs_that_nothing_refers_to_are_dropped
        a_blob_that_is_brought_again_is_not_dropped
        a_removal_is_noted_until_it_is_forgotten;
    jobs:
        jobs_are_listed_searched_and_paged
        tasks_are_cut_once
        a_stale_version_is_refused
        cancel_ends_tasks_leases_and_fences
        pause_takes_offers_back_and_leaves_what_runs
        retry_forgets_failures_and_reopens_the_job
        a_job_ends_when_all_its_tasks_have
        warnings_are_kept_once_and_failures_grouped
        notes_of_several_jobs_come_at_once_and_are_told_apart;
    leases:
        a_grant_raises_the_fence_and_a_stale_one_is_refused
        of_many_grants_of_a_task_one_wins
        a_lease_moves_forward_only
        only_an_offer_ends_unanswered_and_only_what_is_overdue_expires
        what_is_said_together_moves_each_lease_as_far_as_it_goes
        of_grants_made_together_each_is_judged_alone
        a_failed_attempt_goes_back_or_ends_the_task
        what_never_began_is_no_attempt
        silent_leases_expire_and_are_released_once
        a_lease_renewed_after_it_was_looked_for_is_not_taken
        ready_tasks_come_by_priority_within_their_bounds
        grants_and_cancels_race_without_a_live_lease_left;
    frames:
        the_last_frame_completes_task_lease_and_job
        a_few_frames_are_read_of_many
        the_first_delivery_wins
        what_comes_together_counts_as_if_each_had_come_alone
        late_but_first_wins_and_the_other_is_not_needed
        of_many_uploads_at_once_each_gets_its_own_verdict
        what_stays_refused
        frames_rendered_before_a_failure_count
        frames_of_a_lease_that_ended_count_also_beside_another_attempt
        eight_writers_lose_nothing;
    replicas:
        a_replica_lives_as_long_as_its_lease
        every_live_job_gets_one_owner_and_a_dead_owners_jobs_another
        sockets_of_dead_replicas_are_ended_and_those_of_the_living_stay
        leases_of_a_worker_at_another_living_replica_are_left_to_that_one
        what_a_worker_does_is_kept_with_its_heartbeat;
    audit:
        a_large_damage_is_counted_and_told_in_part;
    logs:
        a_log_keeps_its_last_lines_and_pages
        a_log_outlives_a_gap_in_its_numbers;
}
