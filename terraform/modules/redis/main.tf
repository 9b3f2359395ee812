# The journal. MemoryDB and not ElastiCache: a write that it has acknowledged is in its transaction log in several zones and survives a
# failover, and on that stands that nothing is billed twice.
#
# One shard: Tallyman's load on it is small (one write per flush set), and one primary is what its clients follow.

resource "aws_memorydb_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

# A full journal must refuse writes: evicted keys would be forgotten usage.
resource "aws_memorydb_parameter_group" "this" {
  name   = var.name
  family = "memorydb_redis7"

  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
}

resource "aws_memorydb_user" "tallyman" {
  user_name     = "${var.name}-tallyman"
  access_string = var.access_string

  authentication_mode {
    type      = "password"
    passwords = [var.password]
  }
}

resource "aws_memorydb_acl" "this" {
  name       = var.name
  user_names = [aws_memorydb_user.tallyman.user_name]
}

resource "aws_memorydb_cluster" "this" {
  name                       = var.name
  description                = "Tallyman's journal"
  engine                     = "redis"
  engine_version             = "7.1"
  node_type                  = var.node_type
  num_shards                 = 1
  num_replicas_per_shard     = var.replicas
  port                       = 6379
  tls_enabled                = true
  kms_key_arn                = var.kms_key_arn
  acl_name                   = aws_memorydb_acl.this.name
  subnet_group_name          = aws_memorydb_subnet_group.this.name
  security_group_ids         = [var.security_group_id]
  parameter_group_name       = aws_memorydb_parameter_group.this.name
  auto_minor_version_upgrade = true
  snapshot_name              = var.snapshot_name
  snapshot_retention_limit   = var.snapshots_kept_days
  snapshot_window            = "03:00-04:00"
  maintenance_window         = "sun:04:30-sun:05:30"
  final_snapshot_name        = "${var.name}-final"

  lifecycle {
    # Where it came from is of no interest once it is there: taking the variable back must not replace it.
    ignore_changes = [snapshot_name]
  }
}
