import cProfile, pstats, time, threading
from tests.machine.machine import Machine
from tests.machine.stage import Stage
def test_prof(stage: Stage) -> None:
    class Here(Machine): pass
    Here.stage = stage
    def once():
        s = Here()
        t0=time.time()
        s.begin(limits=("amber+strict","green"), deleted="shown", events=[[("domain","evil.example"),("url","http://evil.example/a")],[("domain","evil.example")]])
        t=[("begin",time.time()-t0)]
        for i in range(3):
            t0=time.time(); s.publish(event=0, places=()); t.append(("pub",time.time()-t0))
            t0=time.time(); s.drain(); t.append(("drain",time.time()-t0))
        t0=time.time(); s.teardown(); t.append(("fin",time.time()-t0))
        print([(a,round(b,3)) for a,b in t])
    once(); once()
    p=cProfile.Profile(); p.enable()
    for _ in range(3): once()
    p.disable()
    pstats.Stats(p).sort_stats("tottime").print_stats(25)
