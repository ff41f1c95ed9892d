"""The AWS side of the rehearsal cloud: one process that answers the AWS APIs on a laptop.

moto answers what it knows. What it lacks, or accepts where AWS would refuse, is added here and is driven
by botocore's own service models: a request is routed, parsed and validated by its input shape, answered by
a plain function over plain data, and serialised by its output shape.

===================  ===================================================================================
``server``           the WSGI application: counts, serialises and hands each request to its service
``protocol``         botocore model -> function: routing, parsing, validation, errors, serialisation
``eks``              clusters, node groups, add-ons, access, pod identities, updates, insights
``local``            boto3 clients that talk to moto inside this process
``scheduler``        what happens later (a cluster becomes ACTIVE), kept as data so that it survives restarts
``persistence``      everything to disk and back
===================  ===================================================================================

Run it with ``python -m rehearsal.aws --port 5555 --kubernetes-admin http://127.0.0.1:6440``.
"""
