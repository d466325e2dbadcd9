# shellcheck shell=bash
# Certificates and kubeconfigs of a cluster, made by openssl for each new one.

# authority FOLDER: makes the certificate authority that signs all others.
authority() {
	openssl req -x509 -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
		-nodes -keyout "$1/ca.key" -out "$1/ca.crt" -days 3650 -subj /CN=cluster-ca \
		-addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
}

# certificate FOLDER NAME SUBJECT [ALTERNATIVE_NAMES]: with alternative names
# it is a server's, otherwise a client's.
certificate() {
	local folder=$1 name=$2 subject=$3 names=${4:-} usage=clientAuth
	[[ -z $names ]] || usage=serverAuth
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
		-keyout "$folder/$name.key" -out "$folder/$name.csr" -subj "$subject" 2>/dev/null
	openssl x509 -req -in "$folder/$name.csr" -CA "$folder/ca.crt" -CAkey "$folder/ca.key" \
		-set_serial "0x$(openssl rand -hex 8)" -days 3650 -out "$folder/$name.crt" \
		-extfile <(
			printf 'keyUsage=critical,digitalSignature\nextendedKeyUsage=%s\n' "$usage"
			[[ -z $names ]] || printf 'subjectAltName=%s\n' "$names"
		) 2>/dev/null
	rm -f "$folder/$name.csr"
}

# The key that signs the tokens of ServiceAccounts.
service_account_key() {
	openssl ecparam -name prime256v1 -genkey -noout -out "$1/service-account.key"
	openssl ec -in "$1/service-account.key" -pubout -out "$1/service-account.pub" 2>/dev/null
}

# api_server_certificates FOLDER: what every profile needs.
api_server_certificates() {
	mkdir -p "$1"
	chmod 700 "$1"
	authority "$1"
	service_account_key "$1"
	certificate "$1" api-server /CN=kube-apiserver \
		"DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,IP:127.0.0.1,IP:10.96.0.1,IP:$node_address"
	certificate "$1" admin /O=system:masters/CN=admin
	certificate "$1" controller-manager /CN=system:kube-controller-manager
}

# kubeconfig CERTIFICATES NAME SERVER FILE: complete in itself.
kubeconfig() {
	local folder=$1 name=$2 server=$3 file=$4
	(
		umask 077
		cat >"$file.new" <<-EOF
			apiVersion: v1
			kind: Config
			current-context: $cluster_name
			contexts:
			- name: $cluster_name
			  context: {cluster: $cluster_name, user: $name}
			clusters:
			- name: $cluster_name
			  cluster:
			    server: $server
			    certificate-authority-data: $(base64 -w0 "$folder/ca.crt")
			users:
			- name: $name
			  user:
			    client-certificate-data: $(base64 -w0 "$folder/$name.crt")
			    client-key-data: $(base64 -w0 "$folder/$name.key")
		EOF
	)
	mv "$file.new" "$file"
}
