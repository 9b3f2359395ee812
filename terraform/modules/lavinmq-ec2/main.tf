# One LavinMQ on an instance of its own, without a public address. Messages, certificates and the broker's own CA are on a disk that
# outlives the instance. For a broker that survives the loss of a zone use modules/lavinmq-cloudamqp with 3 nodes.
#
# While the instance is replaced sidecars spool to their disks, and nothing is lost.

data "aws_region" "current" {}

data "aws_ssm_parameter" "ubuntu" {
  count = var.ami_id == null ? 1 : 0
  name  = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
}

locals {
  ami_id = var.ami_id == null ? nonsensitive(data.aws_ssm_parameter.ubuntu[0].value) : var.ami_id
  mount  = "/srv/tallyman"
}

resource "aws_ebs_volume" "data" {
  availability_zone = var.subnet.zone
  type              = "gp3"
  size              = var.data_gib
  iops              = var.data_iops
  encrypted         = true
  kms_key_id        = var.kms_key_arn
  snapshot_id       = var.snapshot_id
  final_snapshot    = true
  tags              = { Name = "${var.name} broker data", TallymanBackup = var.name }

  lifecycle {
    # Where it came from is of no interest once it is there: taking the variable back must not replace the disk by an empty one.
    ignore_changes = [snapshot_id]
  }
}

resource "aws_instance" "broker" {
  ami                         = local.ami_id
  instance_type               = var.instance_type
  subnet_id                   = var.subnet.id
  vpc_security_group_ids      = [var.security_group_id]
  associate_public_ip_address = false
  iam_instance_profile        = aws_iam_instance_profile.broker.name
  disable_api_termination     = var.protected
  ebs_optimized               = true
  monitoring                  = true
  user_data_replace_on_change = true
  user_data = templatefile("${path.module}/files/boot.sh.tftpl", {
    region          = data.aws_region.current.name
    volume_id       = aws_ebs_volume.data.id
    mount           = local.mount
    hostname        = var.hostname
    secret_id       = aws_secretsmanager_secret.definitions.arn
    ca_parameter    = aws_ssm_parameter.ca.name
    lavinmq_version = var.lavinmq_version
    upkeep          = file("${path.module}/files/upkeep")
  })
  tags = { Name = "${var.name} broker" }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    volume_type = "gp3"
    encrypted   = true
    kms_key_id  = var.kms_key_arn
  }

  maintenance_options {
    auto_recovery = "default"
  }

  lifecycle {
    # A newer Ubuntu is no reason to replace a broker by itself: taint it when it suits.
    ignore_changes = [ami]
  }
}

resource "aws_volume_attachment" "data" {
  device_name                    = "/dev/sdf"
  instance_id                    = aws_instance.broker.id
  volume_id                      = aws_ebs_volume.data.id
  stop_instance_before_detaching = true
}

resource "aws_route53_zone" "broker" {
  name    = var.hostname
  comment = "The broker's name, inside the VPC only."

  vpc {
    vpc_id = var.vpc_id
  }
}

resource "aws_route53_record" "broker" {
  zone_id = aws_route53_zone.broker.zone_id
  name    = var.hostname
  type    = "A"
  ttl     = 30
  records = [aws_instance.broker.private_ip]
}
