output "host" {
  description = "The broker's name; by peering the one with private addresses. AMQP over TLS on port 5671."
  value       = local.is_peering ? cloudamqp_instance.this.host_internal : cloudamqp_instance.this.host
}

output "vhost" {
  value = cloudamqp_instance.this.vhost
}

output "admin_url" {
  description = "CloudAMQP's own user, who may do everything: for the import of definitions, and for nobody else."
  value       = cloudamqp_instance.this.url
  sensitive   = true
}
