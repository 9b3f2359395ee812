mock_provider "aws" {
  mock_resource "aws_memorydb_cluster" {
    defaults = { cluster_endpoint = [{ address = "clustercfg.test.memorydb.eu-west-1.amazonaws.com", port = 6379 }] }
  }
}

variables {
  name              = "test"
  subnet_ids        = ["subnet-1", "subnet-2", "subnet-3"]
  security_group_id = "sg-redis"
  access_string     = "on ~tallyman:* -@all +get +client|setname"
  password          = "0123456789abcdef"
  kms_key_arn       = "arn:aws:kms:eu-west-1:111122223333:key/1"
}

run "acknowledged_writes_survive_in_three_zones" {
  assert {
    condition     = aws_memorydb_cluster.this.num_replicas_per_shard == 2 && aws_memorydb_subnet_group.this.subnet_ids == toset(var.subnet_ids)
    error_message = "there must be a primary and two replicas in three zones"
  }
  assert {
    condition     = aws_memorydb_cluster.this.num_shards == 1
    error_message = "there must be one shard: clients follow one primary"
  }
  assert {
    condition     = one(aws_memorydb_parameter_group.this.parameter).name == "maxmemory-policy" && one(aws_memorydb_parameter_group.this.parameter).value == "noeviction"
    error_message = "a full journal must refuse writes, not forget keys"
  }
}

run "encrypted_on_the_way_and_at_rest" {
  assert {
    condition     = aws_memorydb_cluster.this.tls_enabled && aws_memorydb_cluster.this.kms_key_arn == var.kms_key_arn
    error_message = "TLS must be on, data encrypted with the given key"
  }
  assert {
    condition     = startswith(nonsensitive(output.url), "rediss://test-tallyman:0123456789abcdef@clustercfg.")
    error_message = "clients must be told an address with TLS"
  }
}

run "one_user_with_the_rights_given_and_one_group" {
  assert {
    condition     = aws_memorydb_acl.this.user_names == toset([aws_memorydb_user.tallyman.user_name])
    error_message = "there must be no other user"
  }
  assert {
    condition     = aws_memorydb_user.tallyman.access_string == var.access_string && aws_memorydb_user.tallyman.authentication_mode[0].type == "password"
    error_message = "the user must have the given rights, and a password"
  }
  assert {
    condition     = aws_memorydb_cluster.this.security_group_ids == toset([var.security_group_id])
    error_message = "only the group that admits workers may be on it"
  }
}

run "backed_up_daily_and_when_it_is_destroyed" {
  assert {
    condition     = aws_memorydb_cluster.this.snapshot_retention_limit == 7 && aws_memorydb_cluster.this.final_snapshot_name == "test-final"
    error_message = "there must be daily snapshots and a last one"
  }
}

run "everything_that_cannot_be_is_refused" {
  command = plan
  variables {
    name                = "X"
    subnet_ids          = ["subnet-1", "subnet-2"]
    security_group_id   = "1"
    access_string       = "on ~* +@all"
    password            = "short"
    kms_key_arn         = "1"
    node_type           = "cache.r7g.large"
    replicas            = 6
    snapshot_name       = "?"
    snapshots_kept_days = 0
  }
  expect_failures = [
    var.name, var.subnet_ids, var.security_group_id, var.access_string, var.password, var.kms_key_arn, var.node_type,
    var.replicas, var.snapshot_name, var.snapshots_kept_days,
  ]
}
