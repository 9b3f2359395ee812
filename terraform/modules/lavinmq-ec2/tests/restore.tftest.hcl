mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { name = "eu-west-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_ssm_parameter" {
    defaults = { value = "ami-0123456789abcdef0" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/broker" }
  }
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:definitions" }
  }
  mock_resource "aws_ssm_parameter" {
    defaults = { arn = "arn:aws:ssm:eu-west-1:111122223333:parameter/tallyman/test/broker-ca" }
  }
  mock_resource "aws_ebs_volume" {
    defaults = { id = "vol-0123456789abcdef0" }
  }
}

variables {
  name                   = "test"
  vpc_id                 = "vpc-1"
  subnet                 = { id = "subnet-1", zone = "eu-west-1a" }
  security_group_id      = "sg-broker"
  definitions            = "{\"users\":[],\"permissions\":[]}"
  operator_password_hash = "+pHuxkR9fCyrrwXjOD4BP4XbzO3l8LJr8YkThMgJ0yVHFRE+"
  kms_key_arn            = "arn:aws:kms:eu-west-1:111122223333:key/1"
}

run "a_disk_is_restored_from_a_snapshot" {
  variables {
    snapshot_id = "snap-1"
  }

  assert {
    condition     = aws_ebs_volume.data.snapshot_id == "snap-1" && aws_ebs_volume.data.encrypted
    error_message = "the disk must be made from the snapshot, encrypted"
  }
}

# Once, the next apply without the variable would have replaced the restored disk by an empty one.
run "a_restored_disk_stays_when_the_variable_is_taken_back" {
  assert {
    condition     = aws_ebs_volume.data.snapshot_id == "snap-1"
    error_message = "the disk must be the restored one still"
  }
}
