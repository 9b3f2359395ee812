output "broker_passwords" {
  description = "Password of each broker user by role: topology, publisher, consumer, operator."
  value       = { for user, password in local.passwords : user => password if user != "redis" }
  sensitive   = true
}

output "operator_password_hash" {
  description = "Of the user `operator`, who may do everything on the broker."
  value       = local.hashes["operator"]
  sensitive   = true
}

output "definitions" {
  description = "Users and rights as the broker imports them (load_definitions, POST /api/definitions). Holds hashes, no passwords."
  value       = local.definitions
  sensitive   = true
}

output "redis_password" {
  description = "Password of the Redis user `tallyman`."
  value       = local.passwords["redis"]
  sensitive   = true
}

output "redis_access_string" {
  description = "Rights of the Redis user `tallyman`: the commands that Tallyman uses, on the keys of its namespace."
  value       = local.redis_access_string
}
