output "vpc_id" {
  value = aws_vpc.this.id
}

output "cidr" {
  value = aws_vpc.this.cidr_block
}

output "private_subnets" {
  description = "One per zone, in the order of `zones`."
  value       = [for zone in var.zones : { id = aws_subnet.private[zone].id, zone = zone }]
}

output "private_route_table_ids" {
  description = "By zone."
  value       = { for zone in var.zones : zone => aws_route_table.private[zone].id }
}

output "security_group_ids" {
  description = "workers, broker, redis, endpoints."
  value       = local.group_ids
}
