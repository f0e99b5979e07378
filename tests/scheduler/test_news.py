import pytest

from trifid.scheduler.news import Event, News


def event(kind="VM", object_id=1, what="state", old="", new=""):
    return Event(kind, object_id, what, old, new)


@pytest.mark.parametrize(
    "told",
    [
        event(what="allocated", new="PENDING"),
        event(old="HOLD", new="PENDING"),
        event(old="STOPPED", new="PENDING_STOPPED"),
        event(old="UNDEPLOYED", new="PENDING_UNDEPLOYED"),
        event(old="EPILOG", new="DONE"),
        event(old="SHUTDOWN_POWEROFF", new="POWEROFF"),
        event(old="MIGRATE", new="RUNNING"),
        event(what="updated"),
        event(kind="HOST", what="state", new="MONITORED"),
        event(kind="DATASTORE", what="allocated", new="READY"),
        event(kind="VMGROUP", what="updated"),
        event(what="joined VM group 3"),
        event(what="left its VM group"),
    ],
)
def test_events_that_may_let_a_vm_be_placed(told):
    assert News().matters(told)


@pytest.mark.parametrize(
    "told",
    [
        event(old="PENDING", new="PROLOG"),
        event(old="PROLOG", new="BOOT"),
        event(old="BOOT", new="RUNNING"),
        event(what="allocated", new="HOLD"),
        event(kind="NET", what="allocated", new="READY"),
        event(kind="USER", what="updated"),
    ],
)
def test_events_that_change_nothing_for_those_who_wait(told):
    assert not News().matters(told)


def test_an_own_update_is_no_news_but_the_next_of_somebody_else_is():
    news = News()
    news.wrote(1)
    assert not news.matters(event(what="updated"))
    assert news.matters(event(what="updated"))


def test_a_vm_told_to_move_is_remembered():
    news = News()
    assert news.matters(event(object_id=6, old="RUNNING", new="RUNNING"))
    assert news.moving == {6}


def test_updates_written_before_an_outage_are_forgotten():
    news = News()
    news.wrote(1)
    news.forget()
    assert news.matters(event(what="updated"))
