"""Resource Manager, judged by Microsoft's own clients.

They read everything that drift reads, as drift's managed identity, and what they make of it is what
the deployment declares. Each answer is compared with the clients' models as well, member by member:
a client passes over what it does not know.
"""

from cloud import Checks, Cloud
from resources import front_door, lists, refusals, roles, sites, stores
from resources.stage import Stage

cloud = Cloud()
cloud.be_found()
checks = Checks()
stage = Stage(cloud)

for part in (sites, stores, front_door, roles, lists, refusals):
    part.check(checks, stage)

checks.note(f"{stage.drift.judged} answers were compared with the models of nine clients")
checks.end()
