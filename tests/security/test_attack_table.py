"""What was attacked elsewhere, and here, class by class, and the tests that show what comes of it.

A row has a name to look for: whose hole it was and its CVE, or what broke here.
"""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FILES = "security/test_model_files.py"
AUDITED = "security/test_refused_in_audit.py"
BORDER = "security/test_gateway_border.py"
ATTACKS = "security/test_attacks.py"
GATEWAY = "integration/test_gateway.py"
REACH = "unit/ml/test_reach.py"

SEEN_ELSEWHERE: dict[str, tuple[str, ...]] = {
    "Keras: Lambda and gadgets, safe mode ignored (CVE-2024-3660, CVE-2025-1550, CVE-2025-8747, CVE-2025-9905)": (
        f"{FILES}::test_a_config_that_is_no_plain_network_is_refused",
        f"{FILES}::test_an_h5_file_is_refused_at_the_door_with_what_converts_it",
        f"{AUDITED}::test_a_network_that_was_written_by_hand",
    ),
    "Keras: TFSMLayer loads any SavedModel (CVE-2026-1462)": (
        f"{FILES}::test_a_config_that_is_no_plain_network_is_refused",
        "security/test_custom_objects.py::test_hostile_names_are_refused_even_at_the_door",
    ),
    "Keras: datasets of HDF5 in other files (CVE-2026-1669)": (
        f"{FILES}::test_weights_that_are_no_plain_arrays_in_the_file_are_refused",
    ),
    "Keras: a declared shape fills the memory (CVE-2026-0897)": (
        f"{FILES}::test_a_config_that_is_no_plain_network_is_refused",
        "security/test_confined.py::test_memory_files_and_their_size_are_bounded",
    ),
    "Keras: tar slip, pickled torch, a vocabulary from elsewhere (CVE-2025-12060, CVE-2025-49655, CVE-2025-12058)": (
        f"{FILES}::test_a_config_that_is_no_plain_network_is_refused",
        "security/test_confined.py::test_nothing_of_this_machine_is_reached_over_the_network",
    ),
    "ONNX: data out of its folder (CVE-2026-27489, CVE-2026-34446, CVE-2026-34447)": (
        f"{AUDITED}::test_onnx_models_with_links_out_of_their_folder",
        f"{FILES}::test_an_onnx_file_that_is_not_whole_is_refused",
    ),
    "BentoML: a tar with a link, and a file through it (CVE-2026-27905)": (
        f"{AUDITED}::test_an_archive_that_leads_out_of_its_folder",
        f"{FILES}::test_a_tar_with_more_than_files_below_it_is_refused",
        f"{FILES}::test_a_member_that_unpacks_to_much_more_is_refused",
    ),
    "BentoML: values pasted into a script (CVE-2026-33744, CVE-2026-44345)": (
        f"{ATTACKS}::test_no_bytes_become_code",
        "security/test_mutations.py::test_what_was_changed_is_taken_or_refused_in_a_sentence",
        "integration/test_exits.py::test_a_name_from_elsewhere_cannot_break_or_steer_the_log",
    ),
    "pickle on a socket (BentoML CVE-2025-27520, CVE-2024-50050, SGLang CVE-2026-3059), Optuna's storages": (
        f"{ATTACKS}::test_no_bytes_become_code",
        f"{ATTACKS}::test_optunas_storages_are_out_of_reach",
        "security/test_confined.py::test_what_it_sends_is_data_and_nothing_else",
    ),
    "Ray: a port that is open by design (CVE-2023-48022)": (
        f"{GATEWAY}::test_it_does_not_start_open",
        f"{ATTACKS}::test_what_listens_listens_to_this_machine_unless_told_otherwise",
    ),
    "Ray: DELETE forgotten, rebinding of DNS (CVE-2026-27482)": (
        f"{BORDER}::test_no_method_of_a_route_is_for_pages_and_names_of_others",
        f"{GATEWAY}::test_another_name_of_the_host_is_refused",
    ),
    "MLflow: new routes are born open (CVE-2026-0545, CVE-2026-2652)": (
        f"{GATEWAY}::test_every_route_says_what_it_needs",
        f"{GATEWAY}::test_no_route_lets_anybody_in_without_the_right_key",
        f"{BORDER}::test_who_is_not_let_in_is_noted_once_a_minute_with_a_count",
    ),
    "MLflow: a stored path is trusted (CVE-2026-2614)": (
        f"{AUDITED}::test_a_stored_reference_that_was_changed_by_hand",
        f"{AUDITED}::test_a_file_that_has_become_a_link",
        "integration/test_damaged_models.py::test_whoever_asks_for_a_damaged_model_gets_a_sentence",
    ),
    "MLflow: uploads without rights of their own (CVE-2026-2651)": (f"{BORDER}::test_no_route_takes_forms",),
    "MLflow: a file is swapped between check and load (CVE-2026-4137)": (
        "security/test_only_loader.py::test_a_model_that_is_swapped_between_check_and_load_is_not_loaded",
        "security/test_only_loader.py::test_one_file_stays_the_same_behind_links_and_is_private",
    ),
    "BentoML: the server fetches a caller's URL (CVE-2025-54381)": (
        f"{AUDITED}::test_data_that_a_worker_may_not_read",
        f"{REACH}::test_this_machine_is_not_asked_however_it_is_written",
        f"{REACH}::test_a_redirect_is_followed_only_to_what_may_be_read",
        f"{REACH}::test_a_name_that_resolves_to_a_private_address_is_not_connected_to",
    ),
    "Triton: tiny chunks (CVE-2025-23310, CVE-2025-23311)": (
        f"{BORDER}::test_three_megabytes_in_chunks_of_six_bytes_end_no_gateway",
    ),
    "Triton: errors name what is inside (CVE-2025-23319)": (
        f"{BORDER}::test_callers_are_told_nothing_of_where_redis_and_the_store_are",
        f"{BORDER}::test_what_tells_of_the_inside_stays_in_the_log",
        f"{BORDER}::test_what_nobody_foresaw_is_told_of_in_one_sentence",
        "security/test_python_border.py::test_no_error_with_all_its_causes_shows_a_password",
        "integration/test_nonsense.py::test_nonsense_is_refused_in_one_sentence_or_does_no_harm",
    ),
    "Triton: many outputs, sizes that lie, long bodies (CVE-2026-24146, CVE-2025-33201)": (
        "integration/test_inference_protocol.py::test_bodies_that_lie_are_refused_with_400",
        "integration/test_gateway_jobs.py::test_bodies_that_are_too_long_are_not_read",
        "unit/test_inference_protocol.py::test_bodies_that_are_too_long_or_none_are_refused",
    ),
    "Starlette: ranges and forms take the CPU (CVE-2025-62727, CVE-2026-54283, CVE-2026-40347)": (
        f"{BORDER}::test_no_route_takes_forms",
        f"{BORDER}::test_many_ranges_are_one_answer",
    ),
    "Flower: addresses without an end, markup (CVE-2022-30034)": (
        "security/test_flower.py::test_who_may_come_in_is_an_address_from_end_to_end",
        "security/test_flower.py::test_markup_from_a_message_is_text_on_its_pages",
        "integration/test_flower.py::test_nobody_comes_in_without_the_password_that_it_made",
    ),
    "Celery: an error's class by name (CVE-2021-23727)": (f"{ATTACKS}::test_an_answer_names_errors_and_nothing_else",),
    "Redis and Valkey: Lua (CVE-2025-49844, CVE-2025-46817, CVE-2026-23479, CVE-2026-21863, CVE-2026-27623)": (
        "unit/cli/test_holes.py::test_a_version_with_known_holes_is_named_with_what_mends_it",
        "integration/test_least_rights.py::test_no_user_brings_lua_of_its_own",
        "unit/deployment/test_floors.py::test_no_version_with_a_known_hole_is_allowed_or_used",
    ),
}
BROKEN_HERE: dict[str, tuple[str, ...]] = {
    "E1 a store that takes no writes ends jobs": (
        "integration/test_away.py::test_jobs_wait_for_the_store_and_are_done_when_it_is_back",
    ),
    "E2 a config calls functions of Keras": (
        f"{FILES}::test_a_config_that_is_no_plain_network_is_refused",
        "security/test_custom_objects.py::test_hostile_functions_are_refused_even_at_the_door",
    ),
    "E3 one key of a wrong type stops everything": (
        "integration/test_ledger_damage.py::test_a_key_with_strange_content_or_of_a_wrong_type_ends_no_script_and_is_mended",
        "integration/test_ledger_damage.py::test_a_running_job_without_a_lease_holds_up_no_other",
    ),
    "E4 a worker reads a URL or a file for a caller": (
        f"{AUDITED}::test_data_that_a_worker_may_not_read",
        f"{REACH}::test_nothing_leads_out_of_a_named_folder",
    ),
    "E5 two jobs take more memory than there is": (
        "integration/test_memory_reserved.py::test_two_that_outgrew_their_slots_never_use_more_than_the_worker_has",
    ),
    "E6 brackets and escapes in texts": ("unit/cli/test_output.py::test_no_foreign_text_steers_a_terminal",),
    "E7 data without a length, cut off, or without an end": (
        f"{REACH}::test_a_named_host_is_read_however_it_sends_a_file",
        f"{REACH}::test_a_host_that_is_too_slow_is_given_up",
        f"{REACH}::test_an_answer_without_end_is_cut_at_what_a_worker_takes",
    ),
    "E8 a job's own fault counts as a lost worker": (
        "integration/test_away.py::test_a_model_whose_file_is_gone_fails_its_jobs_in_one_sentence",
        f"{REACH}::test_what_no_worker_reads_is_refused_at_the_door_too",
    ),
    "E9 a corrupt file of equal size stays": (
        "integration/test_store.py::test_an_artifact_put_over_a_corrupt_file_replaces_it",
    ),
    "E10 a checkpoint that cannot be written ends a training": (
        "unit/ml/test_train.py::test_a_checkpoint_that_cannot_be_written_is_left_out_and_the_next_is_tried",
    ),
    "E11 leftovers, deep configs, YAML, another app's shutdown": (
        "integration/test_leftovers.py::test_what_nothing_names_is_removed_and_nothing_else",
        "unit/test_specs.py::test_a_config_that_json_cannot_hold_is_refused_in_one_sentence",
        "unit/cli/test_job_file.py::test_a_file_that_is_none_is_refused",
        "unit/cli/test_job_file.py::test_an_endless_file_is_too_large",
        "unit/ml/test_reach.py::test_an_ipv6_host_is_no_chain",
        "integration/test_acl.py::test_a_worker_refuses_celerys_commands_that_would_keep_it_from_its_work",
        "integration/test_damaged_models.py::test_one_damaged_record_hides_no_other_model",
    ),
}
ROWS = SEEN_ELSEWHERE | BROKEN_HERE


@pytest.mark.parametrize("row", ROWS)
def test_each_row_names_tests_that_there_are(row: str) -> None:
    assert ROWS[row]
    for path, _, name in (test.partition("::") for test in ROWS[row]):
        assert re.search(rf"^def {name}\(", (TESTS / path).read_text(), re.MULTILINE), f"{path} has no {name}"
