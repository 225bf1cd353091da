"""What `nodetool` of Cassandra 3.11, 4.0 and 4.1 prints, by the formats in its sources."""
# ruff: noqa: E501  (the tables are as wide as they are)

A, B = "6f02477b-f434-5e49-8b48-3d295bc2d77c", "bbcf35fa-5d65-3137-896f-a2866efe3856"
HOST = "2053956d-7461-41e6-8dd2-0af59436f73"

CLUSTER_311 = f"""Cluster Information:
\tName: Test Cluster
\tSnitch: org.apache.cassandra.locator.GossipingPropertyFileSnitch
\tDynamicEndPointSnitch: enabled
\tPartitioner: org.apache.cassandra.dht.Murmur3Partitioner
\tSchema versions:
\t\t{A}: [10.0.0.1, 10.0.0.2, 10.0.0.3]

"""
CLUSTER_311_SPLIT = f"""Cluster Information:
\tName: Test Cluster
\tSnitch: org.apache.cassandra.locator.SimpleSnitch
\tDynamicEndPointSnitch: enabled
\tPartitioner: org.apache.cassandra.dht.Murmur3Partitioner
\tSchema versions:
\t\t{A}: [10.0.0.1]

\t\t{B}: [10.0.0.2]

\t\tUNREACHABLE: [10.0.0.3, 10.0.0.4]

"""
CLUSTER_40 = f"""Cluster Information:
\tName: Test Cluster
\tSnitch: org.apache.cassandra.locator.SimpleSnitch
\tDynamicEndPointSnitch: enabled
\tPartitioner: org.apache.cassandra.dht.Murmur3Partitioner
\tSchema versions:
\t\t{A}: [127.0.0.1:9000, 127.0.0.1:7000]

\t\tUNREACHABLE: [127.0.0.1:8100]

Stats for all nodes:
\tLive: 2
\tJoining: 0
\tMoving: 0
\tLeaving: 0
\tUnreachable: 1

Data Centers:
\tdatacenter1 #Nodes: 3 #Down: 0

Database versions:
\t4.0.3: [127.0.0.1:9000, 127.0.0.1:7000, 127.0.0.1:8100]

Keyspaces:
\tsystem -> Replication class: LocalStrategy {{}}
\tshop -> Replication class: SimpleStrategy {{replication_factor=3}}
"""
CLUSTER_41 = f"""Cluster Information:
\tName: Test Cluster
\tSnitch: org.apache.cassandra.locator.SimpleSnitch
\tDynamicEndPointSnitch: enabled
\tPartitioner: org.apache.cassandra.dht.Murmur3Partitioner
\tSchema versions:
\t\t{A}: [10.0.0.1, 10.0.0.2]

Stats for all nodes:
\tLive: 2
\tJoining: 0
\tMoving: 0
\tLeaving: 0
\tUnreachable: 0

Data Centers:
\tdc1 #Nodes: 2 #Down: 0

Database versions:
\t4.1.3: [10.0.0.1:7000, 10.0.0.2:7000]

Keyspaces:
\tsystem_auth -> Replication class: SimpleStrategy {{replication_factor=1}}
"""

STATUS_TWO_DCS = f"""Datacenter: eu west
===================
Status=Up/Down
|/ State=Normal/Leaving/Joining/Moving
--  Address    Load       Tokens       Owns    Host ID                               Rack
UN  10.0.0.1   142.02 KiB  256          ?       {HOST}1  rack one
DN  10.0.0.2   110.05 KiB  256          ?       {HOST}2  rack one
UJ  10.0.0.3   ?          16           ?       {HOST}3  r2
Datacenter: us
==============
Status=Up/Down
|/ State=Normal/Leaving/Joining/Moving
--  Address    Load       Tokens       Owns    Host ID                               Rack
UL  10.1.0.1   1.5 GiB    256          ?       {HOST}4  r1
UM  10.1.0.22  67.67 KB   256          ?       {HOST}5  r1
?N  10.1.0.3   ?          256          ?       null                                  r1

Note: Non-system keyspaces don't have the same replication settings, effective ownership information is meaningless
"""
STATUS_OWNS = f"""Datacenter: datacenter1
=======================
Status=Up/Down
|/ State=Normal/Leaving/Joining/Moving
--  Address    Load        Tokens  Owns (effective)  Host ID                               Rack \n\
UN  127.0.0.1  171.93 KiB  4       66.7%             {HOST}1  rack1
UN  127.0.0.2  999 bytes   16      33,3%             {HOST}2  rack1

"""
STATUS_NO_VNODES = f"""Datacenter: dc1
===============
Status=Up/Down
|/ State=Normal/Leaving/Joining/Moving
--  Address      Load       Owns    Host ID                               Token                                    Rack
UN  10.244.1.12  215.3 KiB  ?       {HOST}1  -1080085985719557225                     default

Note: Non-system keyspaces don't have the same replication settings, effective ownership information is meaningless
"""

SNAPSHOTS_NONE = "Snapshot Details: \nThere are no snapshots"
SNAPSHOTS_311 = """Snapshot Details: \n\
Snapshot name       Keyspace name                Column family name           True size          Size on disk       \n\
1700000000000       shop                         orders                       0 bytes            5.09 KiB           \n\
nightly             shop                         customers                    1.5 GB             1.8 GB             \n\
truncated-1514764800-ordersshop                         orders                       13.21 KB           13.21 KB           \n\

Total TrueDiskSpaceUsed: 1.51 GB

"""
SNAPSHOTS_40 = """Snapshot Details: \n\
Snapshot name    Keyspace name Column family name True size Size on disk
nightly-20240115 shop          orders             0 bytes   5.09 KiB    \n\

Total TrueDiskSpaceUsed: 0 bytes

"""
SNAPSHOTS_41 = """Snapshot Details: \n\
Snapshot name Keyspace name Column family name True size Size on disk Creation time            Expiration time         \n\
nightly-1     shop          orders             1.00 KiB  5.09 KiB     2024-01-15T10:30:00.123Z                         \n\
brief         shop          orders             1.00 KiB  5.09 KiB     2024-01-16T10:30:00.000Z 2024-01-17T10:30:00.000Z
old           shop          orders             1.00 KiB  5.09 KiB     null                     null                    \n\

Total TrueDiskSpaceUsed: 3 KiB

"""

INFO_311 = f"""ID                     : {HOST}1
Gossip active          : true
Thrift active          : false
Native Transport active: true
Load                   : 142.02 KiB
Generation No          : 1700000000
Uptime (seconds)       : 8231
Heap Memory (MB)       : 512.25 / 1970.00
Off Heap Memory (MB)   : 0.00
Data Center            : eu west
Rack                   : rack one
Exceptions             : 2
Key Cache              : entries 10, size 800 bytes, capacity 98 MiB, 50 hits, 61 requests, 0.820 recent hit rate
Percent Repaired       : 100.0%
Token                  : (invoke with -T/--tokens to see all 256 tokens)
"""
INFO_41 = f"""ID                     : {HOST}1
Gossip active          : false
Native Transport active: false
Load                   : 142.02 KiB
Uncompressed load      : 201.1 KiB
Generation No          : 0
Uptime (seconds)       : N/A
Heap Memory (MB)       : 512.25 / 1970.00
Data Center            : dc1
Rack                   : r1
Bootstrap state        : COMPLETED
Bootstrap failed       : false
Decommissioning        : false
"""
NETSTATS = "Mode: {}\nNot sending any streams.\nRead Repair Statistics:\nAttempted: 0\n"
