output "url" {
  description = "REDIS_URL. The certificate is Amazon's, which every client knows."
  value = format(
    "rediss://%s:%s@%s:%d",
    aws_memorydb_user.tallyman.user_name,
    var.password,
    aws_memorydb_cluster.this.cluster_endpoint[0].address,
    aws_memorydb_cluster.this.port,
  )
  sensitive = true
}

output "name" {
  description = "Of the cluster, for snapshots."
  value       = aws_memorydb_cluster.this.name
}
