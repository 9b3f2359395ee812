locals {
  amqp_urls = {
    for role in ["topology", "publisher", "consumer"] :
    role => "amqps://tallyman-${role}:${module.access.broker_passwords[role]}@${module.broker.host}:5671/%2F"
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

output "broker_ca_parameter" {
  description = "SSM parameter that holds the certificate of the broker's CA: for TALLYMAN_CA_FILE (key ca.crt of the secrets)."
  value       = module.broker.ca_parameter
}

output "broker_instance_id" {
  description = "For a session: aws ssm start-session --target."
  value       = module.broker.instance_id
}

output "broker_volume_id" {
  description = "The disk with the messages, for a snapshot by hand."
  value       = module.broker.volume_id
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
