"""IAM, enforced: calls that the given policies do not allow are refused, as AWS refuses them.

================  ========================================================================================
``evaluate``      pure: does a set of policy documents allow a request, by which statement
``documents``     policy documents out of a CloudFormation template or a JSON file
``requests``      which actions on which resources a call of the API means
``tags``          tags of resources that exist, for conditions on them
``enforcer``      the above put together; remembers what was asked, allowed and refused
================  ========================================================================================

What the caller does through CloudFormation is judged too, with ``aws:CalledVia``, because CloudFormation acts with
the rights of whoever started the stack. Resource policies, boundaries and session policies are not evaluated.
"""
