# Who may do what, on the broker and in Redis. rights.json is the same file as shared/access/rights.json of the project, where
# a test proves on a running broker and Redis that the services can work with it and with nothing less.

locals {
  rights    = jsondecode(file("${path.module}/rights.json"))
  pattern   = replace(var.namespace, ".", "\\.")
  roles     = sort(keys(local.rights.broker))
  users     = concat(local.roles, ["operator", "redis"])
  passwords = { for user in local.users : user => terraform_data.password[user].output }
}

# 122 random bits, made once. They are in the state, marked as sensitive: keep the state encrypted.
resource "terraform_data" "password" {
  for_each         = toset(local.users)
  input            = sensitive(replace(uuid(), "-", ""))
  triggers_replace = [var.password_version]

  lifecycle {
    ignore_changes = [input]
  }
}

# The brokers' own form of a hashed password: base64 of a salt of 4 bytes and of SHA-256 over salt and password. Terraform has
# no bytes, so the hexadecimal digits are turned into base64 by threes: 3 digits are 12 bits are 2 characters.
locals {
  base64 = split("", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
  ascii = merge(
    { for digit in split("", "0123456789") : digit => "3${digit}" },
    { for place, letter in split("", "abcdef") : letter => "6${place + 1}" },
  )
  # Derived, so that it stays the same: a salt is of no use to passwords that are random anyway.
  salts = { for user, password in local.passwords : user => substr(sha256("salt ${password}"), 0, 4) }
  digits = {
    for user, salt in local.salts : user =>
    "${join("", [for character in split("", salt) : local.ascii[character]])}${sha256("${salt}${local.passwords[user]}")}"
  }
  hashes = {
    for user, digits in local.digits : user => join("", flatten([
      for group in range(24) : [
        local.base64[floor(parseint(substr(digits, 3 * group, 3), 16) / 64)],
        local.base64[parseint(substr(digits, 3 * group, 3), 16) % 64],
      ]
    ]))
  }
}

locals {
  definitions = jsonencode({
    vhosts = [{ name = var.vhost }]
    users = [
      for user in concat(local.roles, ["operator"]) : {
        name              = user == "operator" ? "operator" : "tallyman-${user}"
        password_hash     = local.hashes[user]
        hashing_algorithm = "rabbit_password_hashing_sha256"
        tags              = user == "operator" ? "administrator" : ""
      }
    ]
    permissions = concat(
      [
        for role in local.roles : {
          user      = "tallyman-${role}"
          vhost     = var.vhost
          configure = replace(local.rights.broker[role].configure, "NAMESPACE", local.pattern)
          write     = replace(local.rights.broker[role].write, "NAMESPACE", local.pattern)
          read      = replace(local.rights.broker[role].read, "NAMESPACE", local.pattern)
        }
      ],
      [{ user = "operator", vhost = var.vhost, configure = ".*", write = ".*", read = ".*" }],
    )
  })

  redis_access_string = join(" ", concat(
    ["on", "~${replace(local.rights.redis.keys, "NAMESPACE", var.namespace)}", "-@all"],
    [for command in local.rights.redis.commands : "+${command}"],
  ))
}
