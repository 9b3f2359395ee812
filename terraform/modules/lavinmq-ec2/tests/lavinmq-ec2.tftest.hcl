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

run "the_broker_has_no_public_address_and_one_group" {
  assert {
    condition     = aws_instance.broker.associate_public_ip_address == false
    error_message = "the broker must not have a public address"
  }
  assert {
    condition     = aws_instance.broker.subnet_id == var.subnet.id && aws_instance.broker.vpc_security_group_ids == toset([var.security_group_id])
    error_message = "the broker must be in the private subnet, and in the group that admits workers only"
  }
  assert {
    condition     = one(aws_route53_zone.broker.vpc).vpc_id == var.vpc_id && aws_route53_record.broker.records == toset([aws_instance.broker.private_ip])
    error_message = "the broker's name must be known inside the VPC only, and mean its private address"
  }
}

run "metadata_needs_a_token_that_does_not_leave_the_instance" {
  assert {
    condition     = aws_instance.broker.metadata_options[0].http_tokens == "required" && aws_instance.broker.metadata_options[0].http_put_response_hop_limit == 1
    error_message = "IMDSv2 must be required, one hop"
  }
}

run "every_disk_and_secret_is_encrypted" {
  assert {
    condition     = aws_ebs_volume.data.encrypted && aws_ebs_volume.data.kms_key_id == var.kms_key_arn
    error_message = "the disk with the messages must be encrypted with the given key"
  }
  assert {
    condition     = aws_instance.broker.root_block_device[0].encrypted && aws_instance.broker.root_block_device[0].kms_key_id == var.kms_key_arn
    error_message = "the root disk must be encrypted with the given key"
  }
  assert {
    condition     = aws_secretsmanager_secret.definitions.kms_key_id == var.kms_key_arn
    error_message = "the secret must be encrypted with the given key"
  }
}

run "only_amqp_over_tls_is_open_and_definitions_are_loaded" {
  assert {
    condition     = strcontains(aws_instance.broker.user_data, "[amqp]\nbind = 0.0.0.0\nport = -1\ntls_port = 5671\n")
    error_message = "AMQP must be open over TLS and not without"
  }
  assert {
    condition     = strcontains(aws_instance.broker.user_data, "[mgmt]\nbind = 127.0.0.1\nport = 15672\ntls_port = -1\n") && strcontains(aws_instance.broker.user_data, "[mqtt]\nbind = 127.0.0.1\nport = -1\ntls_port = -1\n")
    error_message = "management must be for this machine only, MQTT closed"
  }
  assert {
    condition     = strcontains(aws_instance.broker.user_data, "load_definitions = /etc/lavinmq/definitions.json\ndefault_user = operator\n")
    error_message = "definitions must be loaded, and guest must not exist"
  }
  assert {
    condition     = strcontains(aws_instance.broker.user_data, "nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0") && strcontains(aws_instance.broker.user_data, "blkid")
    error_message = "the disk must be found by its id, and not be formatted when there is something on it"
  }
  assert {
    condition     = strcontains(aws_instance.broker.user_data, "lavinmq=2.9.1-1")
    error_message = "the version of LavinMQ must be pinned"
  }
}

run "nothing_secret_is_in_user_data" {
  assert {
    condition     = !strcontains(aws_instance.broker.user_data, nonsensitive(var.operator_password_hash)) && !strcontains(aws_instance.broker.user_data, nonsensitive(var.definitions))
    error_message = "user data can be read by whoever may describe instances: no password and no hash in it"
  }
  assert {
    condition     = length(aws_instance.broker.user_data) < 16384
    error_message = "user data may have 16 KiB"
  }
}

run "the_instance_may_read_its_own_secret_and_tell_its_ca" {
  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.broker.policy).Statement : "${statement.Action} ${statement.Resource}"] == [
      "secretsmanager:GetSecretValue ${aws_secretsmanager_secret.definitions.arn}",
      "ssm:PutParameter ${aws_ssm_parameter.ca.arn}",
      "kms:Decrypt ${var.kms_key_arn}",
    ]
    error_message = "the instance must have these three rights, on these resources, and no other"
  }
}

run "the_disk_is_backed_up_and_outlives_the_instance" {
  assert {
    condition     = aws_dlm_lifecycle_policy.data.state == "ENABLED" && aws_dlm_lifecycle_policy.data.policy_details[0].target_tags["TallymanBackup"] == "test" && aws_ebs_volume.data.tags["TallymanBackup"] == "test"
    error_message = "snapshots must be taken of this disk"
  }
  assert {
    condition     = aws_dlm_lifecycle_policy.data.policy_details[0].schedule[0].create_rule[0].interval == 1 && aws_dlm_lifecycle_policy.data.policy_details[0].schedule[0].retain_rule[0].count == 48
    error_message = "a snapshot an hour, of two days, unless told otherwise"
  }
  assert {
    condition     = aws_ebs_volume.data.final_snapshot && aws_volume_attachment.data.stop_instance_before_detaching
    error_message = "the disk must leave a snapshot when it is destroyed, and be detached only from a stopped instance"
  }
  assert {
    condition     = aws_ebs_volume.data.availability_zone == var.subnet.zone
    error_message = "the disk must be in the zone of the instance"
  }
}

run "an_old_lavinmq_is_refused" {
  command = plan
  variables {
    lavinmq_version = "2.9.0"
  }
  expect_failures = [var.lavinmq_version]
}

run "a_newer_lavinmq_is_taken" {
  command = plan
  variables {
    lavinmq_version = "2.10.0"
  }
}

run "a_burstable_instance_is_refused" {
  command = plan
  variables {
    instance_type = "t3.large"
  }
  expect_failures = [var.instance_type]
}

run "everything_else_that_cannot_be_is_refused" {
  command = plan
  variables {
    name                    = "X"
    vpc_id                  = "1"
    subnet                  = { id = "1", zone = "eu-west-1a" }
    security_group_id       = "1"
    hostname                = "broker.example.com"
    definitions             = "{}"
    operator_password_hash  = "secret"
    kms_key_arn             = "alias/aws/ebs"
    ami_id                  = "1"
    data_gib                = 1
    data_iops               = 100
    snapshot_id             = "1"
    snapshot_interval_hours = 5
    snapshots_kept          = 1
  }
  expect_failures = [
    var.name, var.vpc_id, var.subnet, var.security_group_id, var.hostname, var.definitions, var.operator_password_hash,
    var.kms_key_arn, var.ami_id, var.data_gib, var.data_iops, var.snapshot_id, var.snapshot_interval_hours, var.snapshots_kept,
  ]
}
