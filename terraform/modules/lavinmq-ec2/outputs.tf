output "host" {
  description = "The broker's name inside the VPC. AMQP over TLS on port 5671."
  value       = aws_route53_record.broker.name
}

output "ca_parameter" {
  description = "SSM parameter that holds the certificate of the broker's CA, once it has started."
  value       = aws_ssm_parameter.ca.name
}

output "instance_id" {
  description = "For a session: aws ssm start-session --target."
  value       = aws_instance.broker.id
}

output "volume_id" {
  description = "The disk with the messages."
  value       = aws_ebs_volume.data.id
}
