from mmtwin.replay.kernel import profile_of
from mmtwin.replay.maps_diff import differing_lines
from mmtwin.replay.text import call_text, result_text
from mmtwin.trace import calls
from mmtwin.trace.records import Call, Child, Exec, Gone, Host, Touch


def test_a_call_reads_as_a_person_would_write_it() -> None:
    call = Call(line=1, pid=7, op=calls.MUNMAP, args=(0x7F0000000000, 0x2000, 9, 9, 9, 9), ret=0)
    assert call_text(call) == "munmap(0x7f0000000000, 0x2000)"


def test_rubbish_in_upper_halves_is_not_shown() -> None:
    args = (0, 0x1000, 0xDEADBEEF00000003, 0xDEADBEEF00000022, 0xFFFFFFFFFFFFFFFF, 0)
    call = Call(line=1, pid=7, op=calls.MMAP, args=args, ret=-12)
    assert call_text(call) == "mmap(0x0, 0x1000, 0x3, 0x22, 0xffffffff, 0x0)"
    assert result_text(-12) == "-ENOMEM"
    assert result_text(0x7F0000000000) == "0x7f0000000000"


def test_other_records_have_words_of_their_own() -> None:
    assert call_text(Gone(line=1, pid=7)) == "gone"
    assert call_text(Child(line=1, pid=7, child=8, how="vfork")) == "vfork -> 8"
    assert call_text(Touch(line=1, pid=7, addr=4096, len=1, write=True)) == (
        "touch(0x1000, 0x1, write)"
    )


def test_the_kernel_is_told_by_the_trace() -> None:
    old = Exec(line=1, pid=7, maps="1000-2000 r--p 00000000 00:00 0 [vvar]\n")
    new = Exec(line=1, pid=7, maps="1000-2000 r--p 00000000 00:00 0 [vvar_vclock]\n")
    assert profile_of(old)[0] == "6.1"
    assert profile_of(new)[0] == "6.18"
    host = Host(1, "6.1.0-51-amd64", "x86_64", 4096, 65530, 0, 65536, 0, "always", False)
    assert profile_of(Exec(line=1, pid=7, maps="", host=host)) == (
        "6.1",
        "recorded on 6.1.0-51-amd64",
    )


def test_only_differing_lines_are_shown_in_address_order() -> None:
    twin = "1000-2000 a\n3000-4000 b\n"
    record = "1000-2000 a\n2000-3000 c\n3000-5000 b\n"
    assert differing_lines(twin, record) == [
        {"side": "record", "line": "2000-3000 c"},
        {"side": "twin", "line": "3000-4000 b"},
        {"side": "record", "line": "3000-5000 b"},
    ]
