"""Actions that are granted although no DAG asks for them in the rehearsal, and why.

Those that AWS's schemas name for the resource types of our stacks are not repeated here: the rehearsal's CloudFormation
makes fewer calls than AWS's, and `test_policy.py` holds them to the schemas.
"""

from __future__ import annotations

NOT_REHEARSED: dict[str, str] = {
    "autoscaling:DeleteAutoScalingGroup": "a group that outlived its node group, which takes EKS to fail",
    "cloudformation:DeleteChangeSet": "a change set that became useless while it was made",
    "cloudformation:DescribeStackEvents": "reasons of a stack that failed",
    "cloudformation:ListChangeSets": "a stack left under review by a run that died",
    "cloudformation:UpdateTerminationProtection": "somebody protected a stack",
    "cloudtrail:LookupEvents": "who changed what drifted, where a trail recorded it",
    "ec2:CopySnapshot": "a restore into another region",
    "ec2:CreateVolume": "a restore",
    "ec2:DescribeLaunchTemplateVersions": "EKS looks at a node group's template with the caller's rights",
    "ec2:DescribeRegions": "a teardown of all regions",
    "ec2:DeleteSnapshot": "backups older than two weeks",
    "ec2:DetachNetworkInterface": "an interface that is still attached to what is gone",
    "ec2:TerminateInstances": "an instance that outlived its node group",
    "ecr:GetAuthorizationToken": "platform_images, which asks registries on the internet",
    "eks:AssociateEncryptionConfig": "a cluster that was made without sealed secrets",
    "eks:CreatePodIdentityAssociation": "components with roles in AWS, of which the rehearsed platform has none",
    "eks:DeleteAccessEntry": "an environment that takes somebody's access away",
    "eks:DeletePodIdentityAssociation": "as above",
    "eks:DescribeInsight": "an insight that warns of an upgrade",
    "eks:DisassociateAccessPolicy": "an environment that gives somebody another policy",
    "eks:ListUpdates": "a run that finds an update of another one under way",
    "eks:UpdateClusterConfig": "an environment that changes its endpoint, logs or protection",
    "eks:UpdatePodIdentityAssociation": "as above, of a role that was replaced",
    "iam:CreateServiceLinkedRole": "the first cluster of an account, on AWS alone",
    "iam:GetOpenIDConnectProvider": "an account that has providers",
    "s3:DeleteObjectVersion": "versions of a bucket that a teardown of everything empties",
    "secretsmanager:PutSecretValue": "a component that got another key",
    "secretsmanager:RestoreSecret": "a platform made again within seven days of its teardown",
    "sns:Publish": "an environment with a channel to a topic, of which the rehearsed one has none",
}
