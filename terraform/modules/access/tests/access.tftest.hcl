# Nothing here needs a provider: everything is really made.

run "three_users_with_no_right_too_many" {
  command = apply

  assert {
    condition     = length(nonsensitive(output.broker_passwords)) == 4 && length(distinct([for password in nonsensitive(values(output.broker_passwords)) : password])) == 4
    error_message = "topology, publisher, consumer and operator must each have a password of their own"
  }
  assert {
    condition     = alltrue([for password in nonsensitive(values(output.broker_passwords)) : length(password) == 32])
    error_message = "a password must have 32 characters"
  }
  assert {
    condition     = [for user in jsondecode(nonsensitive(output.definitions)).users : user.tags if user.name != "operator"] == ["", "", ""]
    error_message = "no service may use the broker's management"
  }
  assert {
    condition = {
      for permission in jsondecode(nonsensitive(output.definitions)).permissions : permission.user => permission if permission.user == "tallyman-publisher"
      }["tallyman-publisher"] == {
      user = "tallyman-publisher", vhost = "/", configure = "^$", write = "^tallyman\\.usage$", read = "^$"
    }
    error_message = "the publisher may write the exchange for usage and nothing else"
  }
  assert {
    condition = {
      for permission in jsondecode(nonsensitive(output.definitions)).permissions : permission.user => permission if permission.user == "tallyman-consumer"
      }["tallyman-consumer"] == {
      user = "tallyman-consumer", vhost = "/", configure = "^$", write = "^tallyman\\.dead$", read = "^tallyman\\.shard\\.[0-9]{3}$"
    }
    error_message = "the consumer may read shard queues, write dead letters and nothing else"
  }
  assert {
    condition     = !strcontains(nonsensitive(output.definitions), nonsensitive(output.broker_passwords)["publisher"])
    error_message = "definitions must not hold a password"
  }
  assert {
    condition     = startswith(output.redis_access_string, "on ~tallyman:* -@all +") && !strcontains(output.redis_access_string, "allkeys")
    error_message = "the Redis user may touch the keys of its namespace only"
  }
}

run "passwords_stay_when_nothing_changes" {
  command = apply

  assert {
    condition     = nonsensitive(output.broker_passwords) == nonsensitive(run.three_users_with_no_right_too_many.broker_passwords)
    error_message = "a second apply must not make new passwords"
  }
}

run "passwords_are_new_with_another_version" {
  command = apply
  variables {
    password_version = 2
  }

  assert {
    condition     = nonsensitive(output.broker_passwords)["publisher"] != nonsensitive(run.three_users_with_no_right_too_many.broker_passwords)["publisher"]
    error_message = "another password_version must make new passwords"
  }
}

run "dots_of_a_namespace_are_no_wildcards" {
  command = apply
  variables {
    namespace = "acme.eu"
  }

  assert {
    condition     = strcontains(jsondecode(nonsensitive(output.definitions)).permissions[1].write, "^acme\\.eu\\.usage$")
    error_message = "a dot in the namespace must be escaped"
  }
}

run "namespace_is_validated" {
  command = plan
  variables {
    namespace = "a:b"
  }
  expect_failures = [var.namespace]
}

run "password_version_is_validated" {
  command = plan
  variables {
    password_version = 1.5
  }
  expect_failures = [var.password_version]
}
