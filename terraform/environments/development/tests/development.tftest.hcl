mock_provider "aws" {
  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-west-1a", "eu-west-1b", "eu-west-1c", "eu-west-1d"] }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-west-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_ssm_parameter" {
    defaults = { value = "ami-0123456789abcdef0" }
  }
  mock_resource "aws_vpc" {
    defaults = { id = "vpc-0123456789abcdef0" }
  }
  mock_resource "aws_subnet" {
    defaults = { id = "subnet-0123456789abcdef0" }
  }
  mock_resource "aws_security_group" {
    defaults = { id = "sg-0123456789abcdef0" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-west-1:111122223333:key/1" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/some" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:111122223333:log-group:flow" }
  }
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:definitions" }
  }
  mock_resource "aws_ebs_volume" {
    defaults = { id = "vol-0123456789abcdef0" }
  }
  mock_resource "aws_launch_template" {
    defaults = { id = "lt-0123456789abcdef0", latest_version = 1 }
  }
  mock_resource "aws_memorydb_cluster" {
    defaults = { cluster_endpoint = [{ address = "clustercfg.tallyman-dev.memorydb.eu-west-1.amazonaws.com", port = 6379 }] }
  }
}

# Mocked subnets all have one id; what asks for three different ones needs three.
override_resource {
  target = module.network.aws_subnet.private["eu-west-1a"]
  values = { id = "subnet-a" }
}
override_resource {
  target = module.network.aws_subnet.private["eu-west-1b"]
  values = { id = "subnet-b" }
}
override_resource {
  target = module.network.aws_subnet.private["eu-west-1c"]
  values = { id = "subnet-c" }
}
override_resource {
  target = module.network.aws_security_group.workers
  values = { id = "sg-workers" }
}
override_resource {
  target = module.network.aws_security_group.broker
  values = { id = "sg-broker" }
}
override_resource {
  target = module.network.aws_security_group.redis
  values = { id = "sg-redis" }
}

variables {
  region = "eu-west-1"
}

run "each_role_is_told_what_it_needs_and_no_more" {
  assert {
    condition = {
      for secret in jsondecode(nonsensitive(output.kubernetes_secrets)).items : secret.metadata.name => join(",", sort(keys(secret.stringData)))
      } == {
      tallyman-topology  = "AMQP_URL,REDIS_URL"
      tallyman-publisher = "AMQP_URL"
      tallyman-consumer  = "AMQP_URL,REDIS_URL"
    }
    error_message = "topology and consumer need broker and Redis, the publisher the broker alone"
  }
  assert {
    condition = alltrue([
      for secret in jsondecode(nonsensitive(output.kubernetes_secrets)).items :
      can(regex("^amqps://${secret.metadata.name}:[0-9a-f]{32}@broker\\.tallyman\\.internal:5671/%2F$", secret.stringData.AMQP_URL))
    ])
    error_message = "each role must have a user and a password of its own, over TLS"
  }
  assert {
    condition     = alltrue([for secret in jsondecode(nonsensitive(output.kubernetes_secrets)).items : secret.metadata.namespace == "tallyman" && try(startswith(secret.stringData.REDIS_URL, "rediss://"), true)])
    error_message = "secrets must be in the namespace tallyman, Redis over TLS"
  }
  assert {
    condition     = issensitive(output.kubernetes_secrets)
    error_message = "the secrets must be marked as sensitive"
  }
}

run "it_is_made_without_kubernetes_where_there_is_one" {
  variables {
    kubernetes = false
  }

  assert {
    condition     = output.kubernetes_name == null && output.workers_security_group_id == "sg-workers"
    error_message = "no cluster must be made, and the group for another one's nodes must be told"
  }
}

run "a_region_that_is_none_is_refused" {
  command = plan
  variables {
    region = "europe"
  }
  expect_failures = [var.region]
}

run "a_name_that_is_too_long_is_refused" {
  command = plan
  variables {
    name = "a-name-that-is-far-too-long-for-it"
  }
  expect_failures = [var.name]
}
