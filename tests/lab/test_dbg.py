import pytest, time, subprocess
from tests.lab.test_migration import *
from tests.lab.test_migration import _CHANGES_MEMORY
def test_x(lab, traveller):
    try:
        traveller.machine.does(_CHANGES_MEMORY)
        b=time.monotonic()
        traveller.begins(MIDDLING_MIB_S)
        lab.catalogue.api.until_state(traveller.machine.id, "RUNNING")
        print("RUNNING after", time.monotonic()-b, traveller.error)
        for i in range(8):
            h=lab.hosts[traveller.here]
            print(h.virsh("domstate","--reason",traveller.domain), h.virsh("qemu-monitor-command", traveller.domain, '{"execute":"query-status"}'))
            print(h.virsh("qemu-monitor-command", traveller.domain, '{"execute":"query-migrate"}')[:400])
            print(h.virsh("domstats", "--vcpu", "--cpu-total", "--interface", traveller.domain).replace("\n"," ")[:600])
            t=time.monotonic()
            r=subprocess.run(["curl","-s","-m","20","-d","true",traveller.machine._door],capture_output=True,text=True)
            print("curl", r.returncode, r.stdout, time.monotonic()-t)
            print(subprocess.run(["ping","-c1","-W5",traveller.machine.address],capture_output=True,text=True).stdout[-200:])
            print(subprocess.run("bridge fdb show | grep -v permanent; ip -br link; uptime",shell=True,capture_output=True,text=True).stdout[-1500:])
            print(h.run("sh","-c","bridge fdb show 2>&1 | grep -v permanent; ip -br link")[-1500:])
    finally:
        for f in (lab.catalogue.home.path/"log").glob("trifidd*"):
            print("=====",f.name); print(f.read_text()[-2500:])
