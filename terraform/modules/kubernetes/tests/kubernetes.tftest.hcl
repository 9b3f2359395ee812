mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/eks" }
  }
  mock_resource "aws_launch_template" {
    defaults = { id = "lt-0123456789abcdef0", latest_version = 1 }
  }
}

variables {
  name                      = "test"
  subnet_ids                = ["subnet-1", "subnet-2", "subnet-3"]
  workers_security_group_id = "sg-workers"
  kms_key_arn               = "arn:aws:kms:eu-west-1:111122223333:key/1"
}

run "nodes_are_workers_in_three_private_subnets" {
  assert {
    condition     = contains(aws_launch_template.nodes.vpc_security_group_ids, "sg-workers") && aws_eks_node_group.this.subnet_ids == toset(var.subnet_ids)
    error_message = "nodes must be in the group that broker and Redis admit, in every zone"
  }
  assert {
    condition     = aws_launch_template.nodes.metadata_options[0].http_tokens == "required" && aws_launch_template.nodes.metadata_options[0].http_put_response_hop_limit == 1
    error_message = "IMDSv2 must be required, one hop"
  }
  assert {
    condition     = tobool(aws_launch_template.nodes.block_device_mappings[0].ebs[0].encrypted)
    error_message = "disks of nodes must be encrypted: spools are on them"
  }
}

run "the_api_is_private_and_secrets_are_encrypted" {
  assert {
    condition     = aws_eks_cluster.this.vpc_config[0].endpoint_private_access && aws_eks_cluster.this.vpc_config[0].endpoint_public_access == false
    error_message = "the API must be reached from inside the VPC only, unless ranges are named"
  }
  assert {
    condition     = aws_eks_cluster.this.encryption_config[0].provider[0].key_arn == var.kms_key_arn && aws_eks_cluster.this.encryption_config[0].resources == toset(["secrets"])
    error_message = "Kubernetes' secrets must be encrypted with the given key"
  }
  assert {
    condition     = jsondecode(aws_eks_addon.this["vpc-cni"].configuration_values).enableNetworkPolicy == "true"
    error_message = "network policies must be enforced"
  }
}

run "the_api_is_open_to_named_ranges" {
  variables {
    operator_cidrs = ["203.0.113.0/24"]
  }

  assert {
    condition     = aws_eks_cluster.this.vpc_config[0].public_access_cidrs == toset(["203.0.113.0/24"])
    error_message = "only the named ranges may call the API"
  }
}

run "what_cannot_be_is_refused" {
  command = plan
  variables {
    name                      = "X"
    kubernetes_version        = "1.28"
    subnet_ids                = ["subnet-1"]
    workers_security_group_id = "1"
    kms_key_arn               = "1"
    operator_cidrs            = ["0.0.0.0/0"]
    nodes                     = { min = 3, max = 1 }
  }
  expect_failures = [
    var.name, var.kubernetes_version, var.subnet_ids, var.workers_security_group_id, var.kms_key_arn, var.operator_cidrs, var.nodes,
  ]
}
