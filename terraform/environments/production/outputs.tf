locals {
  amqp_urls = {
    for role in ["topology", "publisher", "consumer"] :
    role => "amqps://tallyman-${role}:${module.access.broker_passwords[role]}@${module.broker.host}:5671/${urlencode(module.broker.vhost)}"
  }
  # What each role is told, and nothing else. Stripe's key is added by hand: it is no business of Terraform's state.
  secrets = {
    tallyman-topology  = { AMQP_URL = local.amqp_urls["topology"], REDIS_URL = module.redis.url }
    tallyman-publisher = { AMQP_URL = local.amqp_urls["publisher"] }
    tallyman-consumer  = { AMQP_URL = local.amqp_urls["consumer"], REDIS_URL = module.redis.url }
  }
}

output "kubernetes_secrets" {
  description = "The secrets of the namespace tallyman as kubectl takes them: terraform output -raw kubernetes_secrets | kubectl apply -f -"
  sensitive   = true
  value = jsonencode({
    apiVersion = "v1"
    kind       = "List"
    items = [
      for name, data in local.secrets : {
        apiVersion = "v1"
        kind       = "Secret"
        type       = "Opaque"
        metadata   = { name = name, namespace = "tallyman" }
        stringData = data
      }
    ]
  })
}

output "broker_definitions" {
  description = "Users and rights for the broker: POST them to broker_definitions_url from inside the VPC (see the README)."
  value       = module.access.definitions
  sensitive   = true
}

output "broker_definitions_url" {
  description = "With the name and password of CloudAMQP's own user."
  value       = "https://${regex("^amqps?://([^@]+)@", module.broker.admin_url)[0]}@${module.broker.host}/api/definitions"
  sensitive   = true
}

output "redis_name" {
  description = "The journal's cluster, for a snapshot by hand."
  value       = module.redis.name
}

output "kubernetes_name" {
  description = "For aws eks update-kubeconfig."
  value       = one(module.kubernetes[*].name)
}

output "workers_security_group_id" {
  description = "What nodes of another cluster must have to reach broker and Redis."
  value       = module.network.security_group_ids["workers"]
}

output "vpc_id" {
  value = module.network.vpc_id
}
