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

run "a_journal_is_restored_from_a_snapshot" {
  variables {
    snapshot_name = "before-the-upgrade"
  }

  assert {
    condition     = aws_memorydb_cluster.this.snapshot_name == "before-the-upgrade"
    error_message = "the journal must be made from the snapshot"
  }
}

run "a_restored_journal_stays_when_the_variable_is_taken_back" {
  assert {
    condition     = aws_memorydb_cluster.this.snapshot_name == "before-the-upgrade"
    error_message = "the journal must be the restored one still"
  }
}
