# Snapshots of the disk, taken while the broker runs: a restored one starts as after a power loss, which LavinMQ survives.

resource "aws_iam_role" "snapshots" {
  name = "${var.name}-broker-snapshots"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "dlm.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "snapshots" {
  role       = aws_iam_role.snapshots.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AWSDataLifecycleManagerServiceRole"
}

resource "aws_dlm_lifecycle_policy" "data" {
  description        = "Disk of the broker ${var.name}"
  execution_role_arn = aws_iam_role.snapshots.arn
  state              = "ENABLED"

  policy_details {
    resource_types = ["VOLUME"]
    target_tags    = { TallymanBackup = var.name }

    schedule {
      name      = "every ${var.snapshot_interval_hours} hours"
      copy_tags = true

      create_rule {
        interval      = var.snapshot_interval_hours
        interval_unit = "HOURS"
      }

      retain_rule {
        count = var.snapshots_kept
      }
    }
  }
}
